"""A local tokenizer: the words of a corpus as whole tokens, anything else spelled out letter by letter."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, BEGIN, END, IMAGE = "<pad>", "<unk>", "<s>", "</s>", "<image>"
SPECIAL = (PAD, UNKNOWN, BEGIN, END, IMAGE)
TEMPLATE_WORDS = ("USER", "ASSISTANT", ":")
_WORD = re.compile(r"[\w']+|[^\w\s]")

# The conversation form of LLaVA-1.5: user turns with their picture first, answers closed by the end token.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['content'] is string -%}{%- set parts = [{'type': 'text', 'text': message['content']}] -%}"
    "{%- else -%}{%- set parts = message['content'] -%}{%- endif -%}"
    "{%- if message['role'] == 'assistant' -%}{{ 'ASSISTANT: ' }}{%- else -%}{{ 'USER: ' }}{%- endif -%}"
    "{%- for part in parts if part['type'] == 'image' -%}{{ '<image>\n' }}{%- endfor -%}"
    "{%- for part in parts if part['type'] == 'text' -%}{{ part['text'] }}{%- endfor -%}"
    "{%- if message['role'] == 'assistant' -%}{{ '</s>' }}{%- else -%}{{ ' ' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}"
)


def build_tokenizer(texts: Iterable[str], max_length: int = 512) -> PreTrainedTokenizerFast:
    """Build a tokenizer for a corpus.

    Text is split at white space, which is dropped, and around punctuation. A word of the corpus is one token. Any
    other word is spelled, so that two different texts never have the same tokens.

    Args:
        texts: The corpus.
        max_length: Longest input of the model.

    Returns:
        The tokenizer, with `<s>` put before every text.
    """
    words = sorted({word for text in texts for word in _WORD.findall(text)} | set(TEMPLATE_WORDS))
    letters = string.ascii_letters + string.digits + string.punctuation
    spelling = [*letters, *(f"##{letter}" for letter in letters)]
    vocabulary = list(dict.fromkeys([*SPECIAL, *words, *spelling]))
    ids = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=100))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\w']+|[^\w\s]"), behavior="removed", invert=True)
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, ids[BEGIN])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        padding_side="left",
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        extra_special_tokens={"image_token": IMAGE},
        clean_up_tokenization_spaces=False,
    )
