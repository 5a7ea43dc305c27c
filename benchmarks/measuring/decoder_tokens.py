"""Measures work: positions of the model's decoder, operations, seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.baselines.floor import fastest, synchronize
from pid_lvlm.extract.models.adapters.base import Adapter

Result = TypeVar("Result")


@dataclass
class DecoderTokens:
    """Positions computed by passes through a decoder's first block, and how many were not padding."""

    computed: int = 0
    real: int = 0

    @property
    def padding_share(self) -> float:
        """Share of padding, 0 to 1."""
        return 1 - self.real / self.computed


@contextmanager
def counted_tokens(adapter: Adapter) -> Iterator[DecoderTokens]:
    """Counts while active. If a prefix is shared, only the part after it is computed."""
    seen = DecoderTokens()
    given: dict[str, Tensor | None] = {"attention_mask": None}

    def remember(_module: nn.Module, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given["attention_mask"] = kwargs.get("attention_mask")

    def count(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states = args[0] if args else kwargs["hidden_states"]
        mask = given["attention_mask"]
        positions = states.shape[0] * states.shape[1]
        seen.computed += positions
        seen.real += positions if mask is None else int(mask[:, -states.shape[1] :].sum())

    with ExitStack() as stack:
        for module, hook in ((adapter.model, remember), (adapter.layers[0], count)):
            stack.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)
        yield seen


@dataclass(frozen=True)
class Timed(Generic[Result]):
    """The result and cost of some work.

    Attributes:
        result: its result.
        tokens: decoder tokens.
        operations: floating-point operations of matrix products, convolutions and attention.
        seconds: seconds of its fastest run.
    """

    result: Result
    tokens: DecoderTokens
    operations: int
    seconds: float


def timed(adapter: Adapter, work: Callable[[], Result], repeat: int) -> Timed[Result]:
    """Do some work once and count; then time it `repeat` times, or time the counted run if that is 0."""
    device = adapter.device.type
    started = time.perf_counter()
    with counted_tokens(adapter) as tokens, FlopCounterMode(display=False) as counter:
        result = work()
    synchronize(device)
    seconds = time.perf_counter() - started
    return Timed(result, tokens, int(counter.get_total_flops()), fastest(work, repeat, device) if repeat else seconds)
