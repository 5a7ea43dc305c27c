"""Checks JSON files of a checkpoint before a library builds anything from their numbers."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

from annotated_types import Ge, Le
from pydantic import ConfigDict

from pid_lvlm.data import bounds
from pid_lvlm.data.bounds import Bound
from pid_lvlm.data.errors import printable
from pid_lvlm.data.inputs.schema import STRICT, SchemaError, checked, shown
from pid_lvlm.data.inputs.text import TextError, parse_json, read_text
from pid_lvlm.extract.errors import ModelError

CONFIG_FILE: Final = "config.json"
ADAPTER_FILE: Final = "adapter_config.json"
INDEX_FILES: Final = (
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "adapter_model.safetensors.index.json",
)
OTHER_FILES: Final = (
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "audio_processor_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
)

SIZES: Final[tuple[tuple[re.Pattern[str], int, Bound], ...]] = tuple(
    (re.compile(pattern), least, bound)
    for pattern, least, bound in (
        (r"num_hidden_layers|n_layers?", 1, bounds.BLOCKS),
        (r"(num_|n_)?\w*_?layers|depths?", 0, bounds.BLOCKS),
        (r"(num_attention_heads|n_heads?)", 1, bounds.HEADS),
        (r"\w*_heads", 0, bounds.HEADS),
        (r"\w*experts", 0, bounds.EXPERTS),
        (r"vocab_size", 1, bounds.VOCABULARY),
        (r"\w*vocab_size\w*|num_embeddings", 0, bounds.VOCABULARY),
        (r"max_position_embeddings|n_positions|n_ctx", 1, bounds.POSITIONS),
        (r"\w*position_embeddings", 0, bounds.POSITIONS),
        (r"hidden_size", 1, bounds.WIDTH),
        (
            r"hidden_sizes|intermediate_size|\w*ffn_dim|d_model|d_ff|n_embd|embed_dim|\w*_dim|num_labels",
            0,
            bounds.WIDTH,
        ),
        (r"num_channels|num_queries|num_query_tokens|\w*kernel_size|\w*_hidden_size", 0, bounds.WIDTH),
        (r"(image|patch|crop|tile)_size|spatial_merge_size|merge_size|temporal_patch_size", 1, bounds.PICTURE_SIDE),
        (r"image_seq_len(gth)?|mm_tokens_per_image|num_additional_image_tokens", 0, bounds.PICTURE_TOKENS),
        (r"max_(num_)?(tiles|patches|crops)|num_crops", 0, bounds.PICTURE_TOKENS),
    )
)
"""Name patterns of sizes, with minimum and maximum. The first match applies; the minimum is 0 if there may be none."""


@dataclass(frozen=True)
class Configuration:
    """The keys of `config.json` that are used; model families add their own."""

    __pydantic_config__ = ConfigDict(**{**STRICT, "extra": "ignore"})

    model_type: str
    architectures: list[str] | None = None


@dataclass(frozen=True)
class PeftSettings:
    """The keys of `adapter_config.json` that are used."""

    __pydantic_config__ = ConfigDict(**{**STRICT, "extra": "ignore"})

    base_model_name_or_path: str | None = None
    revision: str | None = None
    peft_type: str | None = None
    r: Annotated[int, Ge(1), Le(bounds.RANK.most)] | None = None
    rank_pattern: dict[str, Annotated[int, Ge(1), Le(bounds.RANK.most)]] | None = None


def read_configuration(path: Path, model: str) -> dict[str, Any]:
    """Read a `config.json` and check that its sizes are plausible.

    Raises:
        ModelError: it cannot be read, has no model type, or has an implausible size; names file and key.
    """
    raw = read_settings(path, model)
    if not raw:
        message = f"`{model}` has no readable {path.name}; it should be a hub id or a checkpoint folder"
        raise ModelError(message)
    if not raw.get("model_type") and "model_type" not in raw:
        message = f"{path.name} of `{model}` does not say its `model_type`; is it a checkpoint of transformers?"
        raise ModelError(message)
    try:
        checked(Configuration, raw)
    except SchemaError as error:
        raise ModelError(f"{path.name} of `{model}`: {error}") from None
    check_sizes(raw, path.name, model)
    return raw


def check_settings(folder: Path, model: str) -> None:
    """Check every other JSON file in a checkpoint folder that a loader reads, if it exists.

    Raises:
        ModelError: names the file and what is wrong with it.
    """
    for path in sorted(folder.glob("config*.json")):  # older layouts have one per version of transformers
        check_sizes(read_settings(path, model), path.name, model)
    for name in OTHER_FILES:
        if os.path.lexists(folder / name):
            check_sizes(read_settings(folder / name, model), name, model)
    for name in INDEX_FILES:
        if os.path.lexists(folder / name):
            _check_index(folder, name, model)


def read_settings(path: Path, model: str) -> dict[str, Any]:
    """Read a JSON file of a checkpoint: named values, bounded and finite.

    Raises:
        ModelError: it holds something else; names the file.
    """
    try:
        raw = parse_json(read_text(path, bounds.MODEL_FILE))
    except FileNotFoundError:
        message = f"`{model}` has no {path.name}; download or save the checkpoint again"
        raise ModelError(message) from None
    except TextError as error:
        raise ModelError(f"{path.name} of `{model}` {error}") from None
    if not isinstance(raw, dict):
        raise ModelError(f"{path.name} of `{model}` should hold named values, found {shown(raw)}")
    return raw


def check_sizes(raw: Mapping[str, Any], file: str, model: str) -> None:
    """Reject sizes, at any depth, that would use much memory or time before any other error is found.

    Raises:
        ModelError: names the key, the value and the allowed range.
    """
    for place, name, value in _named_values(raw):
        found = next(((least, bound) for pattern, least, bound in SIZES if pattern.fullmatch(name)), None)
        if found is None:
            continue
        least, bound = found
        wrong_type = least == 1 and isinstance(value, bool | str | float)
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
        if wrong_type or (number is not None and not least <= number <= bound.most):
            message = (
                f"{file} of `{model}`: `{place}` should be a whole number from {least} to {bound}, found {shown(value)}"
            )
            raise ModelError(message)


def _named_values(value: Any, place: str = "", name: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every number, text and boolean: its location, its key and its value.

    Elements of a list have the key of the list. The nesting was bounded when the file was read.
    """
    if isinstance(value, Mapping):
        for key, inside in value.items():
            own = name if key in {"height", "width"} and name else key
            yield from _named_values(inside, f"{place}.{key}" if place else key, own)
    elif isinstance(value, list):
        for number, inside in enumerate(value):
            yield from _named_values(inside, f"{place}[{number}]", name)
    elif value is not None:
        yield printable(place[:200]), name, value


def _check_index(folder: Path, name: str, model: str) -> None:
    """Check that every file named in an index exists next to it."""
    files = read_settings(folder / name, model).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(file, str) for file in files.values()):
        message = f"{name} of `{model}`: `weight_map` should map parameters to file names, found {shown(files)}"
        raise ModelError(message)
    for file in sorted(set(files.values())):
        if file != PurePosixPath(file).name or file in {"", ".", ".."} or "\\" in file or "\0" in file:
            message = f"{name} of `{model}` names the file {shown(file)}; expected a file name without a folder"
            raise ModelError(message)
        if not (folder / file).is_file():
            message = f"{name} of `{model}` names the file {shown(file)}, which is missing; download the rest"
            raise ModelError(message)


def read_peft_settings(path: Path, model: str) -> PeftSettings:
    """Content of `adapter_config.json`.

    Raises:
        ModelError: it cannot be read, or a value is invalid.
    """
    try:
        return checked(PeftSettings, read_settings(path, model))
    except SchemaError as error:
        raise ModelError(f"{path.name} of `{model}`: {error}") from None
