"""Read, write and replay recorded fits with the published procedure (tests/golden/README.md)."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.baselines.published import Networks, Outcome, Rows, evaluate, linear_layers, measure, train

PARTS = ("x1", "x2", "p_y_x1", "p_y_x2", "p_y_x1x2")
TEST_BATCH = 256


def read(path: str | Path) -> dict[str, NDArray]:
    """All arrays of a file."""
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def rows_of(record: Mapping[str, NDArray], side: str) -> Rows:
    """The rows of `train` or `test`."""
    return Rows(*(torch.from_numpy(np.asarray(record[f"{side}/{part}"], np.float32)) for part in PARTS))


def networks_of(record: Mapping[str, NDArray], moment: str = "init") -> Networks:
    """Networks with the weights recorded under `init` or `final`."""
    rows = rows_of(record, "train")
    networks = Networks(rows.x1.shape[1], rows.x2.shape[1], rows.p_y_x1.shape[1])
    load_weights(networks, record, moment)
    return networks


def load_weights(networks: Networks, record: Mapping[str, NDArray], moment: str) -> None:
    """Copy recorded kernels (in, out) and biases into the networks."""
    with torch.no_grad():
        for name, layer in _layers(networks):
            layer.weight.copy_(torch.from_numpy(np.array(record[f"{moment}/{name}/kernel"])).T)
            layer.bias.copy_(torch.from_numpy(np.array(record[f"{moment}/{name}/bias"])))


def weights(networks: Networks, moment: str, gradient: bool = False) -> dict[str, NDArray]:
    """Weights, or their gradients, as arrays named as in a file."""
    arrays = {}
    for name, layer in _layers(networks):
        for part, parameter in (("kernel", layer.weight), ("bias", layer.bias)):
            value = parameter.grad if gradient and parameter.grad is not None else parameter
            arrays[f"{moment}/{name}/{part}"] = np.array(value.detach().numpy().T, order="C")
    return arrays


def _layers(networks: Networks) -> list[tuple[str, torch.nn.Linear]]:
    sources = {"mlp1": networks.mlp1, "mlp2": networks.mlp2}
    return [(f"{name}/{i}", layer) for name, mlp in sources.items() for i, layer in enumerate(linear_layers(mlp))]


def record_fit(train_rows: Rows, test_rows: Rows, epochs: int, seed: int) -> dict[str, NDArray]:
    """Train as published from fresh weights, and return everything a replay needs.

    Args:
        train_rows: at least 256 rows.
        test_rows: at least 256 rows; the tail that does not fill a batch is not measured.
        epochs: passes over the training rows.
        seed: seed of weights and batches.
    """
    torch.manual_seed(seed)
    networks = Networks(train_rows.x1.shape[1], train_rows.x2.shape[1], train_rows.p_y_x1.shape[1])
    batches = draw_batches(len(train_rows), epochs)
    p_y = train_rows.p_y_x1x2.mean(dim=0)
    record: dict[str, Any] = {f"train/{part}": getattr(train_rows, part).numpy() for part in PARTS}
    record |= {f"test/{part}": getattr(test_rows, part).numpy() for part in PARTS}
    record |= weights(networks, "init")
    evaluate(networks, train_rows.take(batches[0]), p_y).loss.backward()
    record |= weights(networks, "grad0", gradient=True)
    outcomes = train(networks, train_rows, batches, p_y)
    record |= weights(networks, "final")
    tests = torch.stack([outcome.atoms for outcome in measure(networks, test_rows, p_y, TEST_BATCH)])
    bits = tests.double().mean(dim=0).numpy() / math.log(2)
    return record | {
        "batch_index": batches.numpy().astype(np.int32),
        "train_loss_nats": np.array([float(outcome.loss) for outcome in outcomes]),
        "train_atoms_nats": torch.stack([outcome.atoms for outcome in outcomes]).numpy(),
        "test_atoms_nats": tests.numpy(),
        "p_y": p_y.numpy(),
        "pid_bits_raw": bits,
        "pid_bits": np.maximum(bits, 0),
    }


def draw_batches(rows: int, epochs: int, batch: int = 256) -> Tensor:
    """Rows of each step (steps, batch): a new order per epoch, with its tail dropped."""
    whole = rows // batch
    return torch.cat([torch.randperm(rows)[: whole * batch].reshape(whole, batch) for _ in range(epochs)])


def replay(record: Mapping[str, NDArray], steps: int | None = None) -> tuple[float, float | None, list[Outcome]]:
    """Replay a record with the published procedure.

    Args:
        record: arrays of a file.
        steps: number of steps; by default all of them, followed by the test batches.

    Returns:
        Largest difference of the atoms in bits over the steps and over the test batches (None when cut short),
        and the results of the steps.
    """
    networks, p_y = networks_of(record), torch.from_numpy(np.array(record["p_y"]))
    batches = torch.from_numpy(np.array(record["batch_index"], np.int64))[:steps]
    outcomes = train(networks, rows_of(record, "train"), batches, p_y)
    difference = _largest(outcomes, record["train_atoms_nats"][: len(batches)])
    if len(batches) < len(record["batch_index"]):
        return difference, None, outcomes
    tests = measure(networks, rows_of(record, "test"), p_y, TEST_BATCH)
    return difference, _largest(tests, record["test_atoms_nats"]), outcomes


def first_gradient_difference(record: Mapping[str, NDArray]) -> float:
    """Relative norm of the first gradient's difference from the record."""
    networks, p_y = networks_of(record), torch.from_numpy(np.array(record["p_y"]))
    rows = rows_of(record, "train").take(torch.from_numpy(np.array(record["batch_index"][0], np.int64)))
    evaluate(networks, rows, p_y).loss.backward()
    found = weights(networks, "grad0", gradient=True)
    ours, theirs = (np.concatenate([arrays[name].ravel() for name in found]) for arrays in (found, record))
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def _largest(outcomes: list[Outcome], recorded: NDArray) -> float:
    ours = torch.stack([outcome.atoms for outcome in outcomes]).numpy()
    return float(np.abs(ours - recorded).max() / math.log(2))
