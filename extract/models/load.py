"""Loads a checkpoint from the hub or a folder, through the adapter of its family."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers, which imports torchvision

# isort: split
import torch
import transformers
from transformers import AutoConfig, AutoProcessor
from transformers.utils import logging as hf_logging
from transformers.utils.hub import cached_file, extract_commit_hash

from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.command.suggest import near_names
from pid_lvlm.data.inputs.panics import panics_as_errors, silent_stderr
from pid_lvlm.extract.config import HEAD_FLOAT32, ModelSpec
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.checkpoint.fingerprint import fingerprint, is_sampled, sampled_fingerprint
from pid_lvlm.extract.models.checkpoint.hub_files import check_downloaded
from pid_lvlm.extract.models.checkpoint.locate import check_model
from pid_lvlm.extract.models.checkpoint.peft import base_spec, hub_adapter_file, merge_adapter, processor_spec
from pid_lvlm.extract.models.checkpoint.settings_files import CONFIG_FILE, check_settings, read_configuration
from pid_lvlm.extract.models.checkpoint.weights import check_finite, check_weight_files
from pid_lvlm.extract.models.library_errors import first_line, known_reason
from pid_lvlm.extract.models.processor.picture_sizes import check_picture_sizes
from pid_lvlm.extract.models.processor.processor_settings import change_settings
from pid_lvlm.extract.models.registry import ADAPTERS, adapter_class

TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")
TRIAL: Final = "A"
"""Text that every tokenizer must encode and decode: with some broken files it only fails then."""
UNREACHABLE: Final = "the hub cannot be reached"


def load_adapter(spec: ModelSpec, *, weights: bool = True) -> Adapter:
    """Load model and processor.

    Args:
        spec: what to load, and how.
        weights: False builds the model without weights (on the meta device), for planning only.

    Raises:
        ModelError: the checkpoint does not exist or is incomplete, or no adapter supports its type.
    """
    check_model(spec)
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    asked, spec = spec, base_spec(spec)
    raw = _check_files(spec)
    adapter = adapter_class(raw["model_type"], spec.model)
    config = _guarded(spec, "configuration", AutoConfig.from_pretrained, **_options(spec))
    source = processor_spec(asked, spec)
    _check_tokenizer(source)
    if source is not spec:
        check_settings(Path(source.model), source.model)
    processor = _guarded(source, "processor", AutoProcessor.from_pretrained, **_options(source))
    _check_processor(processor, source)
    if spec.processor:
        change_settings(processor, spec.processor, spec.model)
    auto_class = getattr(transformers, adapter.auto_class)
    with torch.device("meta"):
        model = _guarded(spec, "configuration", lambda _: auto_class.from_config(config))
    if weights:
        if Path(spec.model).is_dir():
            check_weight_files(Path(spec.model), raw, model, spec.model)
        model = _load_weights(spec, auto_class)
        check_finite(model, spec.model)
    if weights and asked is not spec:
        model = merge_adapter(model, asked)
        check_finite(model, asked.model)
    built = adapter.build(model.eval(), processor)
    built.float32_head = spec.head_dtype == HEAD_FLOAT32
    return built


def pinned(spec: ModelSpec) -> ModelSpec:
    """Pin a hub model to the commit that its branch or tag points to now; a folder is unchanged.

    Weights, tokenizer and chat template then come from the same commit, which the run records.

    Raises:
        ModelError: the model does not exist or cannot be reached.
    """
    if Path(spec.model).is_dir():
        return spec
    check_model(spec)
    try:
        file = _guarded(spec, "configuration", cached_file, filename="config.json", revision=spec.revision)
    except ModelError as error:
        file = hub_adapter_file(spec, cached_only=UNREACHABLE in str(error))
        if file is None:
            raise
    return replace(spec, revision=extract_commit_hash(file, None) or spec.revision)


def recorded_revision(spec: ModelSpec, *, sampled: bool = False) -> str | None:
    """Commit of a pinned hub model, or a fingerprint of a folder's files; for a PEFT checkpoint, also that of its base.

    Args:
        spec: the model, already loaded, so that a hub model's files are in the cache.
        sampled: compute the fingerprint of earlier versions, which hashed only both ends of each file.

    Raises:
        ModelError: a file cannot be read, or a downloaded one is not what the hub published.
    """
    revision = _revision(spec, sampled=sampled)
    base = base_spec(spec)
    if base is not spec:
        return f"{revision}+{base.display_name.rpartition('/')[2]}@{_revision(pinned(base), sampled=sampled)}"
    return revision


def continued_revision(spec: ModelSpec, revision: str | None, begun: str | None) -> str | None:
    """The revision to compare with that of a run started earlier.

    Args:
        spec: the model.
        revision: its revision now.
        begun: the revision recorded by the run. A fingerprint of an earlier version can only be compared with one of
            the same kind, and the run keeps it: whether all its samples come from the same bytes is unknown.
    """
    return recorded_revision(spec, sampled=True) if is_sampled(begun) else revision


def _revision(spec: ModelSpec, *, sampled: bool) -> str | None:
    folder = Path(spec.model)
    if not folder.is_dir():
        check_downloaded(spec)
        return spec.revision
    return sampled_fingerprint(folder) if sampled else fingerprint(folder)


def resolve_device(name: str) -> str:
    """Resolve `auto` to `cuda` if available, else `cpu`.

    Raises:
        ModelError: torch does not know or cannot use the device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        message = f"device `{cut(name)}` cannot be used ({str(error).partition(chr(10))[0]}); try --device cpu"
        raise ModelError(message) from None
    return name


def _options(spec: ModelSpec) -> dict[str, Any]:
    """Options for every loader: the pinned revision, and never a checkpoint's own code."""
    return {"revision": spec.revision, "trust_remote_code": False}


def _check_files(spec: ModelSpec) -> dict[str, Any]:
    """Check a checkpoint's JSON files; returns the content of its `config.json`, with a supported model type."""
    folder = Path(spec.model)
    if folder.is_dir():
        raw = read_configuration(folder / CONFIG_FILE, spec.model)
        adapter_class(raw["model_type"], spec.model)
        check_settings(folder, spec.model)
        return raw
    file = _guarded(spec, "configuration", cached_file, filename=CONFIG_FILE, revision=spec.revision)
    return read_configuration(Path(file), spec.model)


def _check_tokenizer(spec: ModelSpec) -> None:
    folder = Path(spec.model)
    if folder.is_dir() and not any((folder / name).exists() for name in TOKENIZER_FILES):
        message = (
            f"checkpoint folder `{spec.model}` has no tokenizer; expected tokenizer.json or tokenizer.model next to "
            "the weights: save the processor there too (processor.save_pretrained)"
        )
        raise ModelError(message)


def _check_processor(processor: Any, spec: ModelSpec) -> None:
    """Reject what transformers returns if files are missing: a bare tokenizer or image processor."""
    for part in ("tokenizer", "image_processor"):
        if getattr(processor, part, None) is None:
            message = (
                f"`{spec.model}` has no complete processor: transformers found a {type(processor).__name__} without "
                f"`{part}`; save the processor there, too (processor.save_pretrained)"
            )
            raise ModelError(message)
    check_picture_sizes(processor, spec.model)
    with silent_stderr():
        _guarded(spec, "tokenizer", lambda _: processor.tokenizer.decode(processor.tokenizer(TRIAL)["input_ids"]))


def _load_weights(spec: ModelSpec, auto_class: Any) -> Any:
    device = resolve_device(spec.device)
    dtype = spec.dtype or ("float32" if device == "cpu" else "auto")
    spread = device == "cuda" and torch.cuda.device_count() > 1
    options: dict[str, Any] = {"device_map": "auto"} if spread else {}
    options |= _options(spec) | {"dtype": dtype, "output_loading_info": True}
    model, report = _guarded(spec, "weights", auto_class.from_pretrained, **options)
    parameters = {name for name, _ in model.named_parameters()}
    if missing := sorted(
        parameters & set(report["missing_keys"])
    ):  # transformers initialises them at random, with a warning
        message = (
            f"the weights of `{spec.model}` lack the parameter `{missing[0]}` ({len(missing)} such), which would be "
            "random; download or convert the checkpoint again"
        )
        raise ModelError(message)
    if model.dtype == torch.float32:
        torch.backends.cudnn.allow_tf32 = (
            False  # torch's default for convolutions is TF32: 3 digits, despite the name float32
        )
    return model if spread else model.to(device)


def _guarded(spec: ModelSpec, what: str, load: Any, **options: Any) -> Any:
    """Call a library's loader; any error it raises for missing, broken or hostile files becomes one sentence."""
    try:
        with panics_as_errors():
            return load(spec.model, **options)
    except ModelError:
        raise
    except Exception as error:
        message = f"cannot load the {what} of `{spec.model}`: {_reason(spec, error)}"
        raise ModelError(message) from error


def _reason(spec: ModelSpec, error: Exception) -> str:
    text, reason = str(error), first_line(error)
    if "couldn't connect" in reason:
        return f"{UNREACHABLE} and the model is not in the cache; give a downloaded folder instead"
    if "load image processor" in reason and Path(spec.model).is_dir():
        return "the folder has no preprocessor_config.json; save it there, too (processor.save_pretrained)"
    if "not a valid model identifier" in text:
        near = _near_example(spec.model)
        return f"no folder or hub model has this name, or it is private and no token gives access{near}"
    if "gated repo" in text:
        return (
            "it is gated and no token gives access; accept its terms on its hub page, then log in "
            "(hf auth login, or set HF_TOKEN)"
        )
    return known_reason(error) or reason


def _near_example(model: str) -> str:
    examples = [example for entry in ADAPTERS.values() for example in entry.examples]
    near = near_names(model, examples)
    return f"; did you mean `{near[0]}`?" if near else "; check the id"
