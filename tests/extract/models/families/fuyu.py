"""Fuyu: pictures of two sizes, so that the numbers of patches differ within a batch."""

from typing import Any

import torch
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import FuyuConfig, FuyuImageProcessor, FuyuProcessor, PersimmonConfig, PreTrainedTokenizerFast

from tests.extract.models.families.tiny import IMAGE_ID, LETTERS, SPACE, SPECIALS, TEXT, Family

PATCH = 6
BOX = {"height": 24, "width": 24}


def fuyu_config() -> Any:
    text = PersimmonConfig(**{name: value for name, value in TEXT.items() if name != "num_key_value_heads"})
    own = {name: TEXT[name] for name in ("vocab_size", "hidden_size")}
    return FuyuConfig(text_config=text, image_token_id=IMAGE_ID, image_size=24, patch_size=PATCH, **own)


def fuyu_processor() -> Any:
    """Its tokenizer begins every text with a space, also one of picture tokens: the processor drops the first token."""
    images = FuyuImageProcessor(size=BOX, patch_size={"height": PATCH, "width": PATCH})
    own = ["<pad>", "<s>", "</s>", "|SPEAKER|", "|NEWLINE|", "<0x04>"]
    filler = [f"<unused{index}>" for index in range(len(own), SPECIALS)]
    spaced = [SPACE + letter for letter in LETTERS]
    words = [*own, *filler, *sorted(pre_tokenizers.ByteLevel.alphabet()), *spaced]
    vocabulary = {token: index for index, token in enumerate(words)}
    merges = [(SPACE, letter) for letter in LETTERS]
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    backend.normalizer = normalizers.Prepend(" ")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\|SPEAKER\||\|NEWLINE\|"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    made.add_tokens(["<0x04>"], special_tokens=True)
    return FuyuProcessor(images, made)


def fuyu_inputs(processor: Any, prompt: str, picture: Image.Image | None) -> Any:
    """The processor writes BOS and answer token where there is a picture, and neither where there is none."""
    if picture is None:
        return processor.tokenizer([prompt], add_special_tokens=False, return_tensors="pt")
    text = prompt.removeprefix("<s>").removesuffix("<0x04>")
    return processor(text=[text], images=[picture], return_legacy_image_output=False, return_tensors="pt")


def wide_text(model: Any) -> None:
    """A decoder that clearly attends to all of its prompt."""
    for parameter in model.get_decoder().parameters():
        if parameter.ndim >= 2:
            torch.nn.init.normal_(parameter, std=0.3)


FAMILY = Family("fuyu", fuyu_config, fuyu_processor, wide_text, pictures=((24, 24), (12, 18)), inputs=fuyu_inputs)
