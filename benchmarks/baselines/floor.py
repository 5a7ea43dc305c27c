"""What a model costs without this project: plain batched forwards of the same prompts, and the device's peak."""

import time
from collections.abc import Callable, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, batches

SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
"""Rows of the square matrices used to measure the peak."""


def synchronize(device: str) -> None:
    """Wait until the device is idle."""
    if device == "cuda":
        torch.cuda.synchronize()


def fastest(work: Callable[[], object], repeat: int, device: str) -> float:
    """Seconds of the fastest of several repetitions, with the device idle at both ends."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@torch.inference_mode()
def forward_plainly(adapter: Adapter, items: Sequence[PlannedItem], rows: int, tokens: int | None) -> None:
    """One forward of each item with its picture, in batches like ours, as a user of transformers would write it."""
    for batch in batches(items, rows, tokens):
        prompts = [items[index].prompt for index in batch]
        inputs = adapter.encode(prompts, [open_picture(items[index].item.picture) for index in batch])
        adapter.model(**inputs, use_cache=False, logits_to_keep=1)


@torch.inference_mode()
def matmul_peak(device: str, dtype: torch.dtype, repeat: int) -> float:
    """Floating-point operations per second of the fastest product of two square matrices."""
    peak = 0.0
    for size in SIZES.get(device, SIZES["cpu"]):
        one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        peak = max(peak, 2 * size**3 / fastest(lambda one=one, other=other: one @ other, max(repeat, 3), device))
    return peak


def operations(work: Callable[[], object]) -> int:
    """Floating-point operations of matrix products, convolutions and attention in `work`."""
    counter = FlopCounterMode(display=False)
    with counter:
        work()
    return int(counter.get_total_flops())
