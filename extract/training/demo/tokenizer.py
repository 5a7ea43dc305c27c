"""A local tokenizer: words of a corpus are whole tokens, anything else is spelled out letter by letter."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN = "<pad>", "<unk>"
_WORD = re.compile(r"[\w']+|[^\w\s]")


@dataclass(frozen=True)
class Marks:
    """What a family writes around texts.

    Attributes:
        begin: token put before every text, if any.
        end: token that closes an answer.
        image: token of a picture.
        template: chat template (jinja).
        words: words of the template that are tokens.
        more: further special tokens.
    """

    begin: str | None
    end: str
    image: str
    template: str
    words: tuple[str, ...]
    more: tuple[str, ...] = ()

    @property
    def special(self) -> tuple[str, ...]:
        """All special tokens."""
        return (PAD, UNKNOWN, *(() if self.begin is None else (self.begin,)), self.end, self.image, *self.more)


def chat_template(user: str, user_end: str, assistant: str, end: str, picture: str) -> str:
    """A chat template that wraps every turn between two marks, with a turn's picture first.

    Args:
        user: Text before a question.
        user_end: Text after it.
        assistant: Text before an answer, and at the end of a prompt.
        end: Text after an answer.
        picture: The placeholder of a picture.
    """
    between = " " if assistant[-1:].strip() else ""
    return (
        "{%- for message in messages -%}"
        "{%- if message['content'] is string -%}{%- set parts = [{'type': 'text', 'text': message['content']}] -%}"
        "{%- else -%}{%- set parts = message['content'] -%}{%- endif -%}"
        f"{{%- if message['role'] == 'assistant' -%}}{{{{ {assistant + between!r} }}}}"
        f"{{%- else -%}}{{{{ {user!r} }}}}{{%- endif -%}}"
        f"{{%- for part in parts if part['type'] == 'image' -%}}{{{{ {picture!r} }}}}{{%- endfor -%}}"
        "{%- for part in parts if part['type'] == 'text' -%}{{ part['text'] }}{%- endfor -%}"
        f"{{%- if message['role'] == 'assistant' -%}}{{{{ {end!r} }}}}"
        f"{{%- else -%}}{{{{ {user_end!r} }}}}{{%- endif -%}}"
        "{%- endfor -%}"
        f"{{%- if add_generation_prompt -%}}{{{{ {assistant!r} }}}}{{%- endif -%}}"
    )


def build_tokenizer(texts: Iterable[str], marks: Marks, max_length: int = 512) -> PreTrainedTokenizerFast:
    """Build a tokenizer for a corpus.

    Text is split at white space, which is dropped, and around punctuation. A word of the corpus is one token. Any
    other word is spelled, so that two different texts never have the same tokens.

    Args:
        texts: The corpus.
        marks: Special tokens, and the words of the chat template.
        max_length: Longest input of the model.

    Returns:
        The tokenizer, which puts the begin token before every text if the family has one.
    """
    words = sorted({word for text in texts for word in _WORD.findall(text)} | set(marks.words))
    letters = string.ascii_letters + string.digits + string.punctuation
    spelling = [*letters, *(f"##{letter}" for letter in letters)]
    vocabulary = list(dict.fromkeys([*marks.special, *words, *spelling]))
    ids = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=100))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\w']+|[^\w\s]"), behavior="removed", invert=True)
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    if marks.begin is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{marks.begin} $A", special_tokens=[(marks.begin, ids[marks.begin])]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        padding_side="left",
        bos_token=marks.begin,
        eos_token=marks.end,
        pad_token=PAD,
        unk_token=UNKNOWN,
        extra_special_tokens={"image_token": marks.image}
        | {f"extra_{index}": token for index, token in enumerate(marks.more)},
        clean_up_tokenization_spaces=False,
    )
