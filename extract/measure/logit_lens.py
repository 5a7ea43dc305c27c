"""The logit lens: residual states of every layer at the last positions, read through the final norm and the head."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from pid_lvlm.extract.conditions.hooks import Edit, edited_inputs
from pid_lvlm.extract.conditions.prefix import Begun
from pid_lvlm.extract.errors import MisfitError
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.misfit import model_code

LOGITS_AT_ONCE: Final = 1 << 26
"""Maximum lens logits held at a time (256 MiB of float32): 32 layers of a 32 000-token vocabulary at batch 64."""


@contextmanager
def last_states(adapter: Adapter, layers: Sequence[nn.Module], keep: int) -> Iterator[dict[int, Tensor]]:
    """While active, forward passes record each layer's output at the last `keep` positions, (batch, keep, hidden).

    States are keyed by layer index, not by order of arrival: a model can skip layers. Positions are counted from the
    end: in some families the last layers see only the positions whose logits are requested.
    """
    states: dict[int, Tensor] = {}

    def hook(index: int, _module: nn.Module, _args: Any, output: Any) -> None:
        with model_code(adapter):
            states[index] = adapter.block_state(output)[:, -keep:]

    with ExitStack() as stack:
        for index, layer in enumerate(layers):
            stack.callback(layer.register_forward_hook(partial(hook, index)).remove)
        yield states


def _carried(states: dict[int, Tensor], index: int) -> Tensor:
    """State after a layer. A skipped layer leaves the residual stream of the previous layer unchanged."""
    ran = [layer for layer in states if layer <= index]
    if not ran:
        message = f"the model skipped layers up to {index + 1}, whose states were requested"
        raise MisfitError(message)
    return states[max(ran)]


def layer_states(
    adapter: Adapter,
    inputs: ModelInputs,
    edit: Edit | None,
    layers: Sequence[int],
    keep: int,
    begun: Begun | None = None,
) -> tuple[list[Tensor], Tensor]:
    """One forward pass.

    Args:
        adapter: the model.
        inputs: a batch, pictures encoded.
        edit: edits the decoder's inputs; None leaves them unchanged.
        layers: layers to record, 1 for the first block.
        keep: number of last positions to keep; they come after the part computed before.
        begun: the part of the batch computed before; None computes everything and keeps nothing.

    Returns:
        States of the layers, each (batch, keep, hidden), and the model's logits (batch, keep, vocabulary).
    """
    blocks = adapter.layers[: max(layers, default=0)]
    editing = nullcontext() if edit is None else edited_inputs(adapter.decoder, edit, adapter.hook_points)
    continuing = nullcontext() if begun is None else begun.continued(adapter.decoder)
    with editing, continuing, last_states(adapter, blocks, keep) as states, model_code(adapter):
        logits = adapter.forward(inputs, keep)
    return [_carried(states, layer - 1) for layer in layers], logits


def token_logprobs(adapter: Adapter, states: Sequence[Tensor], logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of chosen tokens under the full vocabulary, for every layer and the output.

    Args:
        adapter: the model.
        states: recorded layers, each (batch, keep, hidden); if the adapter upcasts the head, they include the last
            block, which comes last, so that the head's weights are upcast only once.
        logits: (batch, keep, vocabulary), the model's own output.
        tokens: (keep, k) token ids to score at each position.

    Returns:
        (layers + 1, batch, keep, k) float32 nats, the output last; and the logits used to score it.
    """
    batch, keep, vocabulary = logits.shape
    at_once = max(1, LOGITS_AT_ONCE // (batch * keep * vocabulary))
    found = []
    for start in range(0, len(states), at_once):
        read = unembed(adapter, torch.stack([state.to(adapter.device) for state in states[start : start + at_once]]))
        found.append(_chosen(read, tokens))
        if adapter.widens_head and start + at_once >= len(states):
            logits = read[-1].clone()  # with many layers, the others can be freed
    if not adapter.widens_head:
        found.append(_chosen(logits.float()[None], tokens))
    return torch.cat(found), logits


def unembed(adapter: Adapter, states: Tensor) -> Tensor:
    """Logits (…, vocabulary) in float32 of residual states (…, hidden), through the model's own norm and head."""
    with model_code(adapter):
        return adapter.unembed(states)


def _chosen(logits: Tensor, tokens: Tensor) -> Tensor:
    index = tokens.to(logits.device).expand(*logits.shape[:2], *tokens.shape)
    return logits.gather(-1, index) - logits.logsumexp(dim=-1, keepdim=True)
