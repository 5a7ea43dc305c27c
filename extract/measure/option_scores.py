"""Scores of the options: mean log-likelihood of each letter's tokens after the prompt, at every recorded layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.conditions.hooks import Edit
from pid_lvlm.extract.conditions.prefix import Begun
from pid_lvlm.extract.measure.logit_lens import layer_states, token_logprobs
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.misfit import model_code
from pid_lvlm.extract.models.processor.answer_tokens import Candidates


@dataclass(frozen=True)
class Scores:
    """Scores of a batch under one condition, on the model's device: reading them waits for the device.

    Attributes:
        loglik: (batch, layers, letters) float32 nats, the output last.
        first_token: (batch,) greedy first token.
    """

    loglik: Tensor
    first_token: Tensor


def score_batch(
    adapter: Adapter,
    inputs: ModelInputs,
    edit: Edit | None,
    candidates: Candidates,
    lens_layers: Sequence[int],
    begun: Begun | None = None,
) -> Scores:
    """Score every option of a batch under one condition.

    Args:
        adapter: the model.
        inputs: a batch, pictures encoded.
        edit: the condition's replacement; None leaves the inputs unchanged.
        candidates: tokens of the option letters.
        lens_layers: layers to read through the lens, without the output.
        begun: the part of the prompts computed before; None if the family does not share prefixes.
    """
    first = [spelling.first_ids for spelling in candidates.spellings]
    tokens = torch.tensor(first).reshape(1, -1)
    found, logits = _read(adapter, inputs, edit, lens_layers, tokens, begun)
    columns = found[:, :, 0, :].unflatten(-1, (len(first), -1))
    for way, spelling in enumerate(candidates.spellings):
        for index, ids in enumerate(spelling.ids):
            if len(ids) > 1:
                columns[..., way, index] = _mean_logprob(adapter, inputs, edit, ids, lens_layers, begun)
    return Scores(
        loglik=_summed(columns).permute(1, 0, 2),
        first_token=logits[:, -1].argmax(dim=-1),
    )


def _summed(columns: Tensor) -> Tensor:
    """Log-probability of each letter in any spelling, from (…, spellings, letters)."""
    return columns[..., 0, :] if columns.shape[-2] == 1 else columns.logsumexp(dim=-2).clamp(max=0)


def _mean_logprob(
    adapter: Adapter,
    inputs: ModelInputs,
    edit: Edit | None,
    tokens: tuple[int, ...],
    lens_layers: Sequence[int],
    begun: Begun | None,
) -> Tensor:
    """Teacher-forced mean over a candidate's tokens, (layers + 1, batch)."""
    with model_code(adapter):
        extended = adapter.append(inputs, tokens[:-1])
    whole = None if begun is None else begun.up_to(inputs["input_ids"].shape[1] - 1)
    scored = _read(adapter, extended, edit, lens_layers, torch.tensor(tokens)[:, None], whole)[0]
    return scored[..., 0].mean(dim=-1)


def _read(
    adapter: Adapter,
    inputs: ModelInputs,
    edit: Edit | None,
    lens_layers: Sequence[int],
    tokens: Tensor,
    begun: Begun | None,
) -> tuple[Tensor, Tensor]:
    """One pass: the result of `token_logprobs` for the (keep, k) tokens that may occur at its last positions."""
    layers = [*lens_layers, len(adapter.layers)] if adapter.widens_head else lens_layers
    states, logits = layer_states(adapter, inputs, edit, layers, len(tokens), begun)
    return token_logprobs(adapter, states, logits, tokens)


def option_scores(loglik: NDArray[np.float32], letters: Sequence[str], max_options: int) -> NDArray[np.float32]:
    """Scores of each item's own options, from scores of all letters.

    Args:
        loglik: (items, …, letters).
        letters: letters of each item's options, `ABC` or with gaps.
        max_options: size of the options axis of the result.

    Returns:
        (items, …, max_options): the i-th option at index i, -inf for options an item does not have.
    """
    found = np.full((*loglik.shape[:-1], max_options), -np.inf, dtype=np.float32)
    for row, names in enumerate(letters):
        found[row, ..., : len(names)] = loglik[row][..., [OPTION_LETTERS.index(name) for name in names]]
    return found
