"""Transfers tensors to a device without waiting for it."""

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """The tensor on a device, converted to a dtype if one is given.

    A copy from pageable memory to a CUDA device waits for all work queued on the device. From pinned memory it is just
    queued as well; torch keeps that memory until the copy is done. Copies to the host and between other devices are
    ordinary.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device, dtype)
    return tensor.to(dtype or tensor.dtype).pin_memory().to(device, non_blocking=True)
