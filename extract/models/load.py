"""Load a checkpoint from the hub or a folder, through the adapter of its family."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers, which imports torchvision

# isort: split
import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoProcessor, PreTrainedConfig
from transformers.utils import logging as hf_logging
from transformers.utils.hub import cached_file, extract_commit_hash

from pid_lvlm.data.command.suggest import near_names
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.fingerprint import fingerprint, is_sampled, sampled_fingerprint
from pid_lvlm.extract.models.hub_files import check_downloaded
from pid_lvlm.extract.models.locate import check_model
from pid_lvlm.extract.models.peft import base_spec, hub_adapter_file, merge_adapter, processor_spec
from pid_lvlm.extract.models.registry import ADAPTERS, adapter_class

TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")
UNREACHABLE: Final = "the hub cannot be reached"


def load_adapter(spec: ModelSpec, *, weights: bool = True) -> Adapter:
    """Load model and processor.

    Args:
        spec: what to load, and how.
        weights: False builds the model without weights (on the meta device), to plan only.

    Raises:
        ModelError: there is no such checkpoint, it is incomplete, or no adapter reads its type.
    """
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    asked, spec = spec, base_spec(spec)
    config, model_type = _read_config(spec)
    adapter = adapter_class(model_type, spec.model)
    source = processor_spec(asked, spec)
    _check_tokenizer(source)
    processor = _guarded(source, "processor", AutoProcessor.from_pretrained, revision=source.revision)
    if weights:
        model = _load_weights(spec, getattr(transformers, adapter.auto_class))
    else:
        with torch.device("meta"):
            model = getattr(transformers, adapter.auto_class).from_config(config)
    if weights and asked is not spec:
        model = merge_adapter(model, asked)
    return adapter.build(model.eval(), processor)


def pinned(spec: ModelSpec) -> ModelSpec:
    """The same hub model at the commit that its branch or tag points to now; a folder as it is.

    Weights, tokenizer and chat template are then of one state, and the run records which.

    Raises:
        ModelError: there is no such model, or it cannot be reached.
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
    """Commit of a pinned hub model, or a fingerprint of a folder's files; for a PEFT checkpoint, its base's, too.

    Args:
        spec: the model, loaded before: a hub model's files are then in the cache.
        sampled: give the fingerprint of earlier versions, which looked at both ends of each file only.

    Raises:
        ModelError: a file cannot be read, or a downloaded one is not what the hub published.
    """
    revision = _revision(spec, sampled=sampled)
    base = base_spec(spec)
    if base is not spec:
        return f"{revision}+{base.display_name.rpartition('/')[2]}@{_revision(pinned(base), sampled=sampled)}"
    return revision


def continued_revision(spec: ModelSpec, revision: str | None, begun: str | None) -> str | None:
    """The revision to compare with that of a run that was begun earlier.

    Args:
        spec: the model.
        revision: its revision now.
        begun: what the run recorded. A fingerprint of an earlier version can be compared only with one of its kind, and
            the run keeps it: whether all its samples are of the same bytes is not known.
    """
    return recorded_revision(spec, sampled=True) if is_sampled(begun) else revision


def _revision(spec: ModelSpec, *, sampled: bool) -> str | None:
    folder = Path(spec.model)
    if not folder.is_dir():
        check_downloaded(spec)
        return spec.revision
    return sampled_fingerprint(folder) if sampled else fingerprint(folder)


def resolve_device(name: str) -> str:
    """`auto` becomes `cuda` where there is one, else `cpu`.

    Raises:
        ModelError: torch does not know or cannot use the device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        message = f"device `{name}` cannot be used ({str(error).partition(chr(10))[0]}); try --device cpu"
        raise ModelError(message) from None
    return name


def _read_config(spec: ModelSpec) -> tuple[Any, str]:
    """The checkpoint's configuration and model type; the type is read first, so that an unknown one is named."""
    raw, _ = _guarded(spec, "configuration", PreTrainedConfig.get_config_dict, revision=spec.revision)
    model_type = str(raw.get("model_type", ""))
    if not raw:
        message = f"`{spec.model}` has no readable config.json; it should be a hub id or a checkpoint folder"
        raise ModelError(message)
    adapter_class(model_type, spec.model)
    return _guarded(spec, "configuration", AutoConfig.from_pretrained, revision=spec.revision), model_type


def _check_tokenizer(spec: ModelSpec) -> None:
    folder = Path(spec.model)
    if folder.is_dir() and not any((folder / name).exists() for name in TOKENIZER_FILES):
        message = (
            f"checkpoint folder `{spec.model}` has no tokenizer; expected tokenizer.json or tokenizer.model beside "
            "the weights: save the processor there too (processor.save_pretrained)"
        )
        raise ModelError(message)


def _load_weights(spec: ModelSpec, auto_class: Any) -> Any:
    device = resolve_device(spec.device)
    dtype = spec.dtype or ("float32" if device == "cpu" else "auto")
    spread = device == "cuda" and torch.cuda.device_count() > 1
    options: dict[str, Any] = {"device_map": "auto"} if spread else {}
    options |= {"revision": spec.revision, "dtype": dtype, "output_loading_info": True}
    model, report = _guarded(spec, "weights", auto_class.from_pretrained, **options)
    parameters = {name for name, _ in model.named_parameters()}
    if missing := sorted(parameters & set(report["missing_keys"])):  # transformers draws them at random, with a warning
        message = (
            f"the weights of `{spec.model}` lack the parameter `{missing[0]}` ({len(missing)} such), which would be "
            "random; download or convert the checkpoint again"
        )
        raise ModelError(message)
    if model.dtype == torch.float32:
        torch.backends.cudnn.allow_tf32 = False  # torch's default for convolutions: 3 digits, under the name of float32
    return model if spread else model.to(device)


def _guarded(spec: ModelSpec, what: str, load: Any, **options: Any) -> Any:
    """Call a transformers loader; what it raises for missing and broken files becomes one sentence."""
    try:
        return load(spec.model, **options)
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if "couldn't connect" in reason:
            reason = f"{UNREACHABLE} and the model is not in the cache; give a downloaded folder instead"
        elif "load image processor" in reason and Path(spec.model).is_dir():
            reason = "the folder has no preprocessor_config.json; save it there, too (processor.save_pretrained)"
        elif "not a valid model identifier" in str(error):
            near = _near_example(spec.model)
            reason = f"there is no such folder or hub model, or it is private and no token gives access{near}"
        elif "gated repo" in str(error):
            reason = (
                "it is gated and no token gives access; accept its terms on its hub page, then log in "
                "(hf auth login, or set HF_TOKEN)"
            )
        message = f"cannot load the {what} of `{spec.model}`: {reason}"
        raise ModelError(message) from error


def _near_example(model: str) -> str:
    examples = [example for entry in ADAPTERS.values() for example in entry.examples]
    near = near_names(model, examples)
    return f"; did you mean `{near[0]}`?" if near else "; check the id"
