"""Parts of tiny checkpoints: configuration values, a byte-level tokenizer, a chat template, weights worth testing."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import nn
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast

from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.models.adapters.base import Adapter

DEVICE = os.environ.get("PID_TEST_DEVICE", "cpu")
"""Where the models run: `PID_TEST_DEVICE=cuda pytest tests/extract/models/families` on a machine that has one."""

PAD, BOS, EOS, IMAGE, VIDEO = "<pad>", "<s>", "</s>", "<image>", "<video>"
PAD_ID, BOS_ID, EOS_ID, IMAGE_ID, VIDEO_ID, FIRST_OWN_ID = range(6)
SPECIALS = 16
"""Places for special tokens in the vocabulary."""

SPACE = "Ġ"
"""How byte-level tokenizers write a space."""

LETTERS = OPTION_LETTERS[:4]
VOCABULARY = SPECIALS + len(pre_tokenizers.ByteLevel.alphabet()) + len(LETTERS)
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
TEXT: dict[str, Any] = {
    **SIZES,
    "vocab_size": VOCABULARY,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "pad_token_id": PAD_ID,
    "bos_token_id": BOS_ID,
    "eos_token_id": EOS_ID,
}
VISION: dict[str, Any] = {**SIZES, "num_hidden_layers": 2, "image_size": 28, "patch_size": 14}


def user_inputs(processor: Any, prompt: str, picture: Image.Image | None) -> Any:
    """What a user of transformers would write. A BOS token stands in the template or is added, never both."""
    more = {} if picture is None else {"images": [picture]}
    return processor(text=[prompt], return_tensors="pt", add_special_tokens=not prompt.startswith(BOS), **more)


def on_device(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The same inputs where the model is."""
    return {name: value.to(DEVICE) if isinstance(value, torch.Tensor) else value for name, value in inputs.items()}


def longer_prompts(
    adapter: Adapter, prompts: Sequence[str], pictures: Sequence[Image.Image], text: str
) -> torch.Tensor:
    """Where the prompt is causal, a text that follows it is like one that belongs to it."""
    return adapter.forward(adapter.encode([prompt + text for prompt in prompts], pictures), 1)


@dataclass(frozen=True)
class Family:
    """One line of the suite: a family as a tiny checkpoint of its real class.

    Attributes:
        name: name of the test; the model type unless a family has several lines.
        config: makes the model's configuration.
        processor: makes its processor.
        prepare: changes to the redrawn model that the family needs for its tests to show anything.
        pictures: (height, width) of the items' pictures, in turn.
        inputs: model inputs of one rendered prompt, with or without a picture, made without our code.
        continued: logits after prompts that end in a further text, with pictures; for candidates of several tokens.
        model: the class that loads it.
        slow: whether it takes too long for the quick suite.
    """

    name: str
    config: Callable[[], Any]
    processor: Callable[[], Any]
    prepare: Callable[[Any], object] = lambda _model: None
    pictures: tuple[tuple[int, int], ...] = ((28, 28),)
    inputs: Callable[[Any, str, Image.Image | None], Any] = user_inputs
    continued: Callable[[Adapter, Sequence[str], Sequence[Image.Image], str], torch.Tensor] = longer_prompts
    model: Any = AutoModelForImageTextToText
    slow: bool = False

    def save(self, folder: Path) -> Path:
        """Write a checkpoint folder as a hub download would look."""
        torch.manual_seed(0)
        model = self.model.from_config(self.config(), dtype=torch.float32).eval()
        redraw(model)
        self.prepare(model)
        model.save_pretrained(folder)
        self.processor().save_pretrained(folder)
        return folder


def redraw(model: nn.Module) -> None:
    """Wider weights and open gates: a freshly initialised model nearly ignores its input, and leak tests pass idly."""
    for parameter in model.parameters():
        if parameter.ndim >= 2:
            nn.init.normal_(parameter, std=0.15)
        elif parameter.numel() == 1:
            nn.init.constant_(parameter, 0.7)
        else:  # norms that scale by 1 hide that they are applied twice, or not at all
            parameter.data += torch.empty_like(parameter).normal_(std=0.2)


def louder_attention(model: Any) -> None:
    """Where few layers have attention, little of the picture would reach the end of the prompt without this."""
    for layer in model.get_decoder().layers:
        if attention := getattr(layer, "self_attn", None):
            for projection in (attention.v_proj, getattr(attention, "o_proj", None) or attention.out_proj):
                projection.weight.data *= 3


def tokenizer(
    *special: str, image: str = IMAGE, video: str = VIDEO, bos: bool = True, named: Mapping[str, str] | None = None
) -> PreTrainedTokenizerFast:
    """One token per byte, one per letter after a space, special ones; ids 3 and 4 stand for picture and video.

    Args:
        special: the family's own special tokens, from id 5 on.
        image: the picture's placeholder.
        video: the video's placeholder.
        bos: whether the tokenizer puts a BOS token first.
        named: special tokens that the processor asks the tokenizer for by attribute.
    """
    own = list(dict.fromkeys([PAD, BOS, EOS, image, video, *special, *(named or {}).values()]))
    filler = [f"<unused{index}>" for index in range(len(own), SPECIALS)]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    spaced = [SPACE + letter for letter in LETTERS]
    vocabulary = {token: index for index, token in enumerate([*own, *filler, *alphabet, *spaced])}
    assert len(vocabulary) == VOCABULARY
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[(SPACE, letter) for letter in LETTERS]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if bos:
        backend.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, BOS_ID)])
    extra: dict[str, Any] = {"extra_special_tokens": dict(named)} if named else {}
    made = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token=PAD, bos_token=BOS, eos_token=EOS, **extra)
    made.add_special_tokens({"additional_special_tokens": own}, replace_extra_special_tokens=False)
    return made


def chat_template(
    image: str = IMAGE + "\n", user: str = "USER: ", assistant: str = " ASSISTANT:", bos: str = ""
) -> str:
    """A template that writes the picture's marker, then the text."""
    return (
        f"{bos}{{% for message in messages %}}{user}"
        f"{{% for part in message['content'] %}}{{% if part['type'] == 'image' %}}{image}{{% endif %}}{{% endfor %}}"
        "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
        f"{{% endfor %}}{{% if add_generation_prompt %}}{assistant}{{% endif %}}"
    )
