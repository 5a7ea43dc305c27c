"""Populations of items with known large-n atoms, to measure the coverage of intervals over items.

Items are drawn, and each population gives the conditionals of the two sources and of the pair for each item. The
optimal coupling is known: if source 2 is a garbling of source 1, or both have the same law, I_q = I1; in `factor` it is
the product a(u) b(v) for answers y = (u, v), whose dual variables meet the constraint with equality for every pair;
`table` and `uneven` are solved by the demo world's interior-point method.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pid_jax.information import AtomsInBits, InformationTerms, atoms_from_terms
from pid_lvlm.data.world import broja_atoms

GROUP: Final = 4
"""Number of items that share source 1, in grouped samples."""

LARGE: Final = 400_000
"""Number of draws whose means are the truth, for populations that are not finite tables."""

KINDS: Final = 8
"""Rows and columns of a table."""


class Items(NamedTuple):
    """Conditionals (n, K) of a sample, and of the optimal coupling at the pairs (empty if unknown)."""

    first: NDArray
    second: NDArray
    pair: NDArray
    coupling: NDArray


@dataclass(frozen=True)
class Family:
    """Populations drawn together: the same items seen by several models.

    Attributes:
        latents: draws the latents of a number of items, grouped or not: one array per source.
        models: by name, makes the items from latents and a random generator.
        differences: names of the models whose differences are studied.
        truths: the atoms of models whose truth is not a mean over a large sample.
    """

    latents: Callable[[np.random.Generator, int, bool], tuple[NDArray, NDArray]]
    models: dict[str, Callable[[NDArray, NDArray, np.random.Generator], Items]]
    differences: tuple[tuple[str, str], ...]
    truths: dict[str, AtomsInBits]

    def draw(self, seed: tuple[int, ...], rows: int, *, grouped: bool) -> dict[str, Items]:
        """The same items seen by every model."""
        rng = np.random.default_rng(seed)
        latents = self.latents(rng, rows, grouped)
        return {name: model(*latents, rng) for name, model in self.models.items()}

    def truth(self) -> dict[str, AtomsInBits]:
        """Atoms of every model, bits."""
        missing = self.models.keys() - self.truths.keys()
        if not missing:
            return self.truths
        found = self.draw((0,), LARGE, grouped=False)
        return self.truths | {name: _large_sample(found[name]) for name in missing}


def families(options: int) -> dict[str, Family]:
    """Families by name; `factor` needs an even number of options, at least 4."""
    found = {"gaussian": _gaussian(options), "table": _table(options), "uneven": _uneven(options)}
    if options >= 4 and options % 2 == 0:
        found["factor"] = Family(
            _correlated,
            {"factor": partial(_factor, options, 2.0), "factor weak": partial(_factor, options, 1.0)},
            (("factor", "factor weak"),),
            {},
        )
    return found


def _large_sample(items: Items) -> AtomsInBits:
    p_y = items.pair.mean(0)
    terms = [float((p * np.log(np.maximum(p, 1e-300) / p_y)).sum(1).mean()) for p in items]
    return atoms_from_terms(InformationTerms(*terms)).in_bits()


def _repeated(draw: Callable[[int], NDArray], rows: int, *, grouped: bool) -> NDArray:
    return np.repeat(draw(-(-rows // GROUP)), GROUP, axis=0)[:rows] if grouped else draw(rows)


def _softmax(z: NDArray) -> NDArray:
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def _mixed(p: NDArray, share: float) -> NDArray:
    """A garbling: closer to uniform, which is P(Y)."""
    return (1 - share) * p + share / p.shape[1]


def _gaussian(options: int) -> Family:
    """Gaussian logits; P(Y) is uniform by symmetry, and I_q = I1."""

    def latents(rng: np.random.Generator, rows: int, grouped: bool) -> tuple[NDArray, NDArray]:
        z1 = _repeated(lambda n: rng.normal(size=(n, options)), rows, grouped=grouped)
        return z1, rng.normal(size=(rows, options))

    def model(
        sharpness: float,
        garbled: float,
        pair: Callable[[NDArray, NDArray], NDArray],
        z1: NDArray,
        z2: NDArray,
        _: object,
    ) -> Items:
        first, second = _softmax(sharpness * z1), _mixed(_softmax(sharpness * z2), garbled)
        return Items(first, second, _softmax(pair(z1, z2)), first)

    return Family(
        latents,
        {
            "plain": partial(model, 2.0, 0.0, lambda a, b: 2 * (a + b)),
            "near": partial(model, 2.0, 0.2, lambda a, b: 2 * (a + b)),
            "synergy": partial(model, 0.7, 0.3, lambda a, b: 5 * a * b),
            "sharp": partial(model, 8.0, 0.4, lambda a, b: 8 * (a + b)),
        },
        (("plain", "near"), ("sharp", "plain"), ("synergy", "near")),
        {},
    )


def _correlated(rng: np.random.Generator, rows: int, grouped: bool) -> tuple[NDArray, NDArray]:
    s = _repeated(lambda n: rng.normal(size=n), rows, grouped=grouped)
    return s, 0.6 * s + 0.8 * rng.normal(size=rows)


def _factor(options: int, slope: float, s: NDArray, t: NDArray, rng: np.random.Generator) -> Items:
    """Answers y = (u, v); source 1 gives a(u), source 2 gives b(v), and their correlation gives the rest."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(30)
    weights = weights / weights.sum()

    def first_part(x: NDArray) -> NDArray:
        return _softmax(slope * np.stack([x, -x], axis=1))

    def second_part(x: NDArray) -> NDArray:
        return _softmax(slope * x[:, None] * np.linspace(-1, 1, options // 2))

    def expected(part: Callable[[NDArray], NDArray], given: NDArray) -> NDArray:
        return sum(w * part(0.6 * given + 0.8 * node) for node, w in zip(nodes, weights, strict=True))

    def together(u: NDArray, v: NDArray) -> NDArray:
        return (u[:, :, None] * v[:, None, :]).reshape(len(u), options)

    coupling = together(first_part(s), second_part(t))
    answers = (coupling.cumsum(1) < rng.random((len(s), 1))).sum(1)
    pair = (coupling + np.eye(options)[np.minimum(answers, options - 1)]) / 2
    return Items(
        together(first_part(s), expected(second_part, s)),
        together(expected(first_part, t), second_part(t)),
        pair,
        coupling,
    )


def _table(options: int) -> Family:
    """Two random conditionals p(y | x1, x2) over 8 x 8 equally frequent kinds of items."""
    rng = np.random.default_rng(options)
    return _of_tables(
        {name: _softmax(sharpness * _logits(rng, options)) for name, sharpness in (("table", 4.0), ("table flat", 1.5))}
    )


def _uneven(options: int) -> Family:
    """Source 1 is sure about two of its kinds and knows nothing of the others; source 2 knows a little about each.

    Neither is a garbling of the other, so no atom is near 0. In `skewed` the last options are rare; in `hard half` the
    answers to half of the pairs are flat.
    """
    rng = np.random.default_rng((options, 1))
    kinds = np.arange(KINDS)
    favoured = np.eye(options)[kinds % options]
    sure, vague = 6.0 * (kinds < 2)[:, None] * favoured, 1.8 * favoured
    logits = (sure[:, None] + vague[None]).reshape(KINDS**2, options) + 0.7 * _logits(rng, options)
    hard = np.arange(KINDS**2) % KINDS // 2 % 2
    return _of_tables(
        {
            "skewed": _softmax(logits - np.linspace(0, 1, options)),
            "hard half": _softmax(np.where(hard, 0.4, 1.5)[:, None] * logits),
        }
    )


def _logits(rng: np.random.Generator, options: int) -> NDArray:
    return rng.normal(size=(KINDS**2, options))


def _of_tables(conditionals: dict[str, NDArray]) -> Family:
    """Two models, each given by the conditionals (64, K) of all pairs of kinds; the pairs are equally frequent."""
    tables = {name: rows.reshape(KINDS, KINDS, -1) for name, rows in conditionals.items()}

    def latents(rng: np.random.Generator, rows: int, grouped: bool) -> tuple[NDArray, NDArray]:
        x1 = _repeated(lambda n: rng.integers(0, KINDS, n), rows, grouped=grouped)
        return x1, rng.integers(0, KINDS, rows)

    def model(table: NDArray, x1: NDArray, x2: NDArray, _: object) -> Items:
        return Items(table.mean(1)[x1], table.mean(0)[x2], table[x1, x2], np.empty((0, table.shape[-1])))

    solved = {name: broja_atoms(table / table.sum()) for name, table in tables.items()}
    first, second = tables
    return Family(
        latents,
        {name: partial(model, table) for name, table in tables.items()},
        ((first, second),),
        {
            name: AtomsInBits(atoms.redundancy, atoms.unique_vision, atoms.unique_language, atoms.synergy)
            for name, atoms in solved.items()
        },
    )
