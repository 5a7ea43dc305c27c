"""LoRA and other checkpoints of the `peft` library: small changes to a base model, merged into it."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from huggingface_hub import try_to_load_from_cache
from transformers.utils.hub import cached_file

from pid_lvlm.data.command.extras import install_advice
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.checkpoint.settings_files import ADAPTER_FILE, PeftSettings, read_peft_settings
from pid_lvlm.extract.models.library_errors import first_line

PROCESSOR_FILES: Final = ("processor_config.json", "preprocessor_config.json")


def base_spec(spec: ModelSpec) -> ModelSpec:
    """The base model of a PEFT checkpoint; for an ordinary model, its own spec.

    Raises:
        ModelError: the checkpoint does not name its base, or the base is a missing folder.
    """
    settings = _adapter_settings(spec)
    if settings is None:
        return spec
    name = settings.base_model_name_or_path
    if not name:
        message = f"`{spec.model}` does not name its base model; set base_model_name_or_path in its {ADAPTER_FILE}"
        raise ModelError(message)
    beside = Path(spec.model) / name
    base = str(beside) if beside.is_dir() else str(name)
    if not Path(base).is_dir() and (base.startswith((".", "/", "~")) or base.count("/") > 1):
        message = (
            f"the base model of `{spec.model}` should be in `{base}`, but that folder does not exist; "
            f"fix base_model_name_or_path in its {ADAPTER_FILE}"
        )
        raise ModelError(message)
    if (Path(base) / ADAPTER_FILE).exists():
        named = "itself" if Path(base).samefile(spec.model) else f"`{base}`"
        message = (
            f"`{spec.model}` names {named} as its base model, which is also a PEFT checkpoint; "
            f"name the full model in base_model_name_or_path of its {ADAPTER_FILE}"
        )
        raise ModelError(message)
    return replace(spec, model=base, revision=settings.revision)


def processor_spec(spec: ModelSpec, base: ModelSpec) -> ModelSpec:
    """Location of the processor: next to the adapter weights if saved there, else with the base model."""
    return spec if any((Path(spec.model) / name).is_file() for name in PROCESSOR_FILES) else base


def hub_adapter_file(spec: ModelSpec, *, cached_only: bool = False) -> str | None:
    """Cached `adapter_config.json` of a hub model; None if it has none or the hub cannot be reached."""
    quiet = {f"_raise_exceptions_for_{what}": False for what in ("gated_repo", "missing_entries", "connection_errors")}
    try:
        found: str | None = cached_file(
            spec.model, ADAPTER_FILE, revision=spec.revision, local_files_only=cached_only, **quiet
        )
    except OSError:  # no such model, or not a valid name
        return None
    return found


def merge_adapter(model: Any, spec: ModelSpec) -> Any:
    """The base model with the checkpoint's changes merged into its weights.

    Raises:
        ModelError: the `peft` library is missing, or the changes do not fit the model or cannot be merged.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        message = (
            f"`{spec.model}` is a PEFT checkpoint and needs the `peft` library, which is not installed; "
            f"{install_advice('peft')}"
        )
        raise ModelError(message) from error
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            changed = PeftModel.from_pretrained(model, spec.model, revision=spec.revision)
    except Exception as error:  # anything the library raises for damaged files
        raise ModelError(_misfit(spec, first_line(error))) from error
    # peft only warns about unmatched weights, and would continue with a model other than the one requested.
    if lost := [str(warning.message) for warning in caught if "adapter keys" in str(warning.message)]:
        raise ModelError(_misfit(spec, lost[0][:120]))
    if not hasattr(changed, "merge_and_unload"):
        raise ModelError(
            f"`{spec.model}` uses a PEFT method whose changes cannot be merged into the weights; use LoRA or a variant"
        )
    return changed.merge_and_unload()


def _misfit(spec: ModelSpec, reason: str) -> str:
    return f"the changes in `{spec.model}` do not fit its base model: {reason}"


def _in_cache(spec: ModelSpec, name: str) -> str | None:
    """A hub model's file, if it was fetched: pinning fetches the configuration, or else `adapter_config.json`."""
    found = try_to_load_from_cache(spec.model, name, revision=spec.revision)
    return found if isinstance(found, str) else None


def _adapter_settings(spec: ModelSpec) -> PeftSettings | None:
    """Content of `adapter_config.json`, or None. It applies even next to a full model, as in transformers."""
    folder = Path(spec.model)
    if folder.is_dir():
        file = folder / ADAPTER_FILE
        return read_peft_settings(file, spec.model) if file.exists() else None
    found = _in_cache(spec, ADAPTER_FILE)
    if found is None or _in_cache(spec, "config.json"):
        return None
    return read_peft_settings(Path(found), spec.model)
