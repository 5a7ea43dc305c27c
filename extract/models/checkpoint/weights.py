"""Checks weights before and after loading: do they fit the configuration, and are they numbers?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open

from pid_lvlm.extract.errors import ModelError

SLACK: Final = 4.0
"""Allowed ratio of described to saved parameters: tied ones and some others are not saved."""

SPARE: Final = 50_000_000
"""Additional parameters that a configuration may describe: their memory is negligible."""

QUANTISED: Final = ("I8", "U8", "I4", "U4", "F8_", "F4", "F6_")
"""safetensors dtypes that mean nothing without a scale."""

FLOATS: Final = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def check_weight_files(folder: Path, configuration: dict[str, Any], planned: torch.nn.Module, model: str) -> None:
    """Check the headers of a folder's safetensors files before any memory is allocated for the weights.

    Args:
        folder: the checkpoint.
        configuration: content of its `config.json`.
        planned: the model described by its configuration, without weights.
        model: the checkpoint's name.

    Raises:
        ModelError: a file is damaged, or there are too few weights for the configuration, or they are quantised without
            a `quantization_config`.
    """
    if "quantization_config" in configuration:
        return
    held = 0
    files = sorted(folder.glob("*.safetensors"))
    for file in files:
        for name, kind, numbers in _tensors(file, model):
            held += numbers
            if name.endswith("weight") and kind.startswith(QUANTISED):
                message = (
                    f"`{file.name}` of `{model}` holds `{name}` as {kind}, and config.json has no "
                    "`quantization_config` that says what the numbers mean; take the checkpoint in bfloat16 or float32"
                )
                raise ModelError(message)
    described = sum(parameter.numel() for parameter in planned.parameters())
    described += sum(buffer.numel() for buffer in planned.buffers())
    if files and described > SLACK * held + SPARE:
        message = (
            f"config.json of `{model}` describes {described / 1e9:.3g}e9 parameters, and its weights hold "
            f"{held / 1e9:.3g}e9; the two do not belong together, or files are missing"
        )
        raise ModelError(message)


def _tensors(file: Path, model: str) -> Iterator[tuple[str, str, int]]:
    """Name, type and number of elements of each tensor of a file."""
    try:
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118  not a mapping
                tensor = opened.get_slice(name)
                count = 1
                for size in tensor.get_shape():
                    count *= size
                yield name, tensor.get_dtype(), count
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0][:120]
        message = f"`{file.name}` of `{model}` is damaged or not a safetensors file ({reason}); download it again"
        raise ModelError(message) from error


def check_finite(model: torch.nn.Module, name: str) -> None:
    """Reject weights that are not numbers: some or all scores would silently be lost.

    Raises:
        ModelError: names the first parameter with NaN or infinity.
    """
    for parameter, values in model.named_parameters():
        if values.dtype in FLOATS and values.numel() and values.device.type != "meta":
            ends = torch.aminmax(values.detach())
            if not (torch.isfinite(ends.min) & torch.isfinite(ends.max)):
                message = (
                    f"the weights of `{name}` are not all numbers: the parameter `{parameter}` holds NaN or infinity; "
                    "download the checkpoint again, or load it with --dtype float32 if it overflowed in float16"
                )
                raise ModelError(message)
