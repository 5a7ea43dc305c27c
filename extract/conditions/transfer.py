"""Tensors go to a device without waiting for it."""

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """The same tensor on a device, in another dtype if one is given.

    A copy from ordinary memory to a CUDA device waits for all that the device was given before. From pinned memory it
    is one more thing that the device was given; torch keeps that memory until the copy is done. To the host, and
    between other devices, tensors are copied as ever.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device, dtype)
    return tensor.to(dtype or tensor.dtype).pin_memory().to(device, non_blocking=True)
