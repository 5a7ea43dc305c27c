"""BATCH as published, in plain PyTorch: the baseline to compare with and the recorder of golden files.

Written from the published equations and hyper-parameters. It replays the files of tests/golden to 2e-7 bits, which
shows that it is the same algorithm. It is slow where the original is slow: a Python loop per option, up to 500
sweeps in each, and autograd through all of them.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

SWEEPS = 500
TOLERANCE = 0.01
EPS = 1e-8
HIDDEN, HIDDEN_LAYERS, EMBEDDING = 32, 4, 10
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Rows:
    """Rows of one problem: features (n, d1) and (n, d2), conditionals (n, k)."""

    x1: Tensor
    x2: Tensor
    p_y_x1: Tensor
    p_y_x2: Tensor
    p_y_x1x2: Tensor

    def take(self, index: Tensor | slice) -> "Rows":
        """Some of the rows."""
        return Rows(*(part[index] for part in vars(self).values()))

    def to(self, device: str) -> "Rows":
        """The same rows on another device."""
        return Rows(*(part.to(device) for part in vars(self).values()))

    def __len__(self) -> int:
        return len(self.x1)


class Networks(nn.Module):
    """Both sources' networks, in torch's default initialisation."""

    def __init__(self, d1: int, d2: int, options: int) -> None:
        super().__init__()
        self.options = options
        self.mlp1, self.mlp2 = _mlp(d1, options), _mlp(d2, options)

    def embed(self, mlp: nn.Module, x: Tensor) -> Tensor:
        """(n, k, e): one standardised vector per row and option."""
        e = mlp(x).unflatten(1, (self.options, EMBEDDING))
        return (e - e.mean(dim=2, keepdim=True)) / torch.sqrt(e.var(dim=2, keepdim=True) + EPS)

    def kernel(self, x1: Tensor, x2: Tensor) -> Tensor:
        """exp(A), (n, n, k)."""
        similarity = torch.einsum("ake,bke->abk", self.embed(self.mlp1, x1), self.embed(self.mlp2, x2))
        return torch.exp(similarity / math.sqrt(EMBEDDING))


def _mlp(features: int, options: int) -> nn.Sequential:
    widths = [features, *[HIDDEN] * HIDDEN_LAYERS]
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(HIDDEN, EMBEDDING * options))


def linear_layers(mlp: nn.Module) -> list[nn.Linear]:
    """The linear layers of one network, in order."""
    return [layer for layer in mlp.modules() if isinstance(layer, nn.Linear)]


def scale(matrix: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, int]:
    """Sinkhorn for one option as published: stops after the first half-step with the other marginal within 0.01.

    Returns:
        The scaled matrix and the number of half-steps.
    """
    for sweep in range(SWEEPS):
        matrix = matrix / (matrix.sum(dim=0, keepdim=True) + EPS) * columns[None, :]
        if _close(matrix.sum(dim=1), rows):
            return matrix, 2 * sweep + 1
        matrix = matrix / (matrix.sum(dim=1, keepdim=True) + EPS) * rows[:, None]
        if _close(matrix.sum(dim=0), columns):
            return matrix, 2 * sweep + 2
    return matrix, 2 * SWEEPS


def _close(found: Tensor, wanted: Tensor) -> bool:
    return bool(((found - wanted).abs() <= TOLERANCE).all())


@dataclass(frozen=True)
class Outcome:
    """One batch: loss and atoms (R, U1, U2, S) in nats, half-steps of Sinkhorn per option."""

    loss: Tensor
    atoms: Tensor
    half_steps: tuple[int, ...]


def evaluate(networks: Networks, batch: Rows, p_y: Tensor) -> Outcome:
    """Loss (paper, eq. 18) and atoms of one batch."""
    kernel = networks.kernel(batch.x1, batch.x2)
    scaled = [scale(kernel[..., k], batch.p_y_x1[:, k], batch.p_y_x2[:, k]) for k in range(kernel.shape[-1])]
    joint = torch.stack([matrix for matrix, _ in scaled], dim=-1)
    q = joint / (joint.sum(dim=1, keepdim=True) + EPS)
    mixture = torch.einsum("abk,ak->ab", q, batch.p_y_x1)
    bracket = torch.log(q + EPS) - torch.log(mixture + EPS)[:, :, None]
    weight = batch.p_y_x1[:, None, :] * q
    loss = (weight * bracket).sum(dim=(1, 2)).mean()
    with torch.no_grad():
        log_ratio = guarded_log(batch.p_y_x1) - guarded_log(p_y)
        i_q = (weight * (bracket + log_ratio[:, None, :])).sum(dim=(1, 2)).mean()
        i_1, i_2, i_12 = (information(p, p_y) for p in (batch.p_y_x1, batch.p_y_x2, batch.p_y_x1x2))
        atoms = torch.stack([i_1 + i_2 - i_q, i_q - i_2, i_q - i_1, i_12 - i_q])
    return Outcome(loss, atoms, tuple(half_steps for _, half_steps in scaled))


def guarded_log(p: Tensor) -> Tensor:
    """Logarithm with exact zeros read as 1e-8."""
    return torch.log(torch.where(p == 0, EPS, p))


def information(p: Tensor, p_y: Tensor) -> Tensor:
    """Mean over rows of KL(p ‖ P(Y)), nats."""
    return (p * (guarded_log(p) - guarded_log(p_y))).sum(dim=1).mean()


def train(networks: Networks, rows: Rows, batches: Tensor, p_y: Tensor) -> list[Outcome]:
    """Adam over the batches (steps, b) in order; returns each step's results before its update."""
    optimiser = torch.optim.Adam(networks.parameters(), lr=LEARNING_RATE)
    outcomes = []
    for index in batches:
        optimiser.zero_grad()
        outcome = evaluate(networks, rows.take(index), p_y)
        outcome.loss.backward()
        optimiser.step()
        outcomes.append(Outcome(outcome.loss.detach(), outcome.atoms, outcome.half_steps))
    return outcomes


@torch.no_grad()
def measure(networks: Networks, rows: Rows, p_y: Tensor, size: int = 256) -> list[Outcome]:
    """Loss and atoms of consecutive test batches; a tail that does not fill one is dropped, as published."""
    starts = range(0, len(rows) - size + 1, size)
    return [evaluate(networks, rows.take(slice(start, start + size)), p_y) for start in starts]
