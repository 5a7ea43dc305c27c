"""The result table in words: what the models do, and why some numbers need care. Sentences are plain text."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.estimators import one_estimator
from pid_lvlm.analysis.frames.given import given, labelled
from pid_lvlm.analysis.frames.labels import WORDS, bits
from pid_lvlm.analysis.frames.load import failed_fits, successful
from pid_lvlm.analysis.frames.over_models.models import NEXT_TO_NOTHING, UNANSWERED
from pid_lvlm.analysis.frames.probes import ablations_in
from pid_lvlm.analysis.frames.reshape import finals, finals_of_each_estimator, shallow_repeats
from pid_lvlm.analysis.frames.sensitivity import CHANGES, HOLDS, Conclusion, compared_values, conclusions
from pid_lvlm.analysis.tables.diagnostics import num_doubtful
from pid_lvlm.data.bounds import PAGE_LISTED
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.contract.table.result_table import limit_warnings, places
from pid_lvlm.data.contract.table.results import EXACT
from pid_lvlm.data.names import ATOMS

MOSTLY: Final = 0.6
"""A spectrum is described by one atom if that has at least this share of the total."""

SIZE_RATIO: Final = 1.25
"""Above this ratio of row numbers, atoms differ because of it: by up to 0.005 bits at 250 rows."""

_SHOWN_FROM: Final = 0.005  # bits; smaller values would print as 0.00
_LISTED: Final = 4  # conclusions that change
_SENTENCES: Final = 12  # nobody reads more; beyond it, one per dataset


def findings(results: pl.DataFrame, estimator: str = EXACT) -> list[str]:
    """What stands out at the final layer of the final checkpoints: one sentence per model and dataset, or per dataset.

    With several ablations, the first sentences say which conclusions change between them.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.
    """
    final = finals(given(results), estimator).select("series", "dataset", "uniform_both", *ATOMS)
    return [*over_ablations(results), *_of_spectra(final)]


def over_ablations(results: pl.DataFrame) -> list[str]:
    """Whether conclusions depend on the ablation; empty if there is only one."""
    held = ablations_in(results)
    if len(held) < 2:
        return []
    shown = f"Everything below is under {held[0]} unless stated otherwise."
    try:
        found = conclusions(compared_values(labelled(results)))
    except NothingToShowError:
        return [shown]
    changed, kept = ([one for one in found if one.verdict == verdict] for verdict in (CHANGES, HOLDS))
    decided = f"{len(changed)} of {count(len(changed) + len(kept), 'conclusion')} that both ablations decide"
    if not changed:
        held_in = f"None of {count(len(kept), 'conclusion')} that two ablations decide changes between them"
        return [f"{held_in}." if kept else "No conclusion is decided under two ablations.", shown]
    listed = "; ".join(map(_changed, changed[:_LISTED]))
    more = f"; … and {len(changed) - _LISTED} more" if len(changed) > _LISTED else ""
    verb = "changes" if len(changed) == 1 else "change"
    return [f"{decided} {verb} with the ablation: {listed}{more}.", shown]


def _changed(one: Conclusion) -> str:
    of = f"{one.model} on {one.dataset}" if one.model else one.dataset
    return f"{of}: {one.conclusion} is {one.by_reference} under {one.reference}, {one.by_ablation} under {one.ablation}"


def _of_spectra(final: pl.DataFrame) -> list[str]:
    if final.height <= _SENTENCES:
        return [f"{row['series']} on {row['dataset']}: {describe(row)}." for row in final.to_dicts()]
    groups = final.sort("dataset", maintain_order=True).partition_by("dataset", maintain_order=True, as_dict=True)
    sentences = [_dataset_sentence(str(name), rows.to_dicts()) for (name,), rows in _first(groups)]
    left_out = len(groups) - len(sentences)
    return [*sentences, f"… and {left_out} more datasets."] if left_out else sentences


def describe(row: Mapping[str, float | None]) -> str:
    """One spectrum in words, such as `mostly synergy (1.97 of 1.98 bits)`.

    Args:
        row: the four atoms in bits, clipped at 0 (None if not reported), and optionally `uniform_both`, a share.
    """
    known = {name: value for name, value in row.items() if value is not None}
    if not _answered(known):
        share = f"{known['uniform_both']:.0%}".replace("%", " %")
        return f"not interpretable because the model did not answer with an option letter in {share} of the rows"
    missing = [WORDS[atom] for atom in ATOMS if atom not in known]
    if missing:  # the total needs it
        return f"{' and '.join(missing)} unknown; {_listed(known) or 'the other atoms next to nothing'} (bits)"
    return _described(known)


def _described(row: Mapping[str, float]) -> str:
    total = sum(row[atom] for atom in ATOMS)
    if total < NEXT_TO_NOTHING:
        return f"almost no information about the answer ({bits(total)} bits)"
    first, second, *_ = _by_size(row)
    if row[first] >= MOSTLY * total:
        return f"mostly {WORDS[first]} ({bits(row[first])} of {bits(total)} bits)"
    if row[first] + row[second] >= 0.8 * total:
        pair = f"{WORDS[first]} ({bits(row[first])}) and {WORDS[second]} ({bits(row[second])}"
        return f"{pair} of {bits(total)} bits)"
    return f"a blend of {bits(total)} bits ({_listed(row)})"


def _listed(row: Mapping[str, float]) -> str:
    return ", ".join(f"{WORDS[atom]} {bits(row[atom])}" for atom in _by_size(row) if row[atom] >= _SHOWN_FROM)


def warnings(results: pl.DataFrame, estimator: str = EXACT) -> list[str]:
    """Reasons to be careful with the numbers, one sentence each; those about limits come from `pid-estimate`.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several. Limits apply to all of them.
    """
    given(results)
    sentences = []
    failed = failed_fits(results)
    if not failed.is_empty():
        sentences.append(
            f"{failed.height} of {results.height} fits failed and are in no figure; they are listed below."
        )
    sentences += [f"{each[0].upper()}{each[1:]}." for each in limit_warnings(successful(results))]
    return sentences + comparability(results, estimator)


def notice(results: pl.DataFrame) -> str:
    """How many fits failed and how many have doubtful numbers, in one sentence."""
    failures, doubtful = failed_fits(results).height, num_doubtful(results)
    said = [f"{failures:,} of {count(results.height, 'fit')} failed"] if failures else []
    if doubtful:
        of = f" of {count(results.height, 'fit')}" if not failures else " more"
        have = "has" if doubtful == 1 else "have"
        said.append(f"{doubtful:,}{of} {have} a value beyond a diagnostic limit{_of_final(results, doubtful)}")
    return "; ".join(said) or "Every fit succeeded, and no diagnostic is beyond its limit"


def _of_final(results: pl.DataFrame, doubtful: int) -> str:
    """How many of the doubtful fits are in most exhibits; often they are inner layers and early checkpoints."""
    final = finals_of_each_estimator(results)
    if final.height == results.height:
        return ""
    number = num_doubtful(final)
    if doubtful == 1:
        return f", {'at' if number else 'not at'} the output layer of a final checkpoint"
    which = "all" if number == doubtful else f"{number:,}" if number else "none"
    return f", {which} of them at the output layer of a final checkpoint"


def comparability(results: pl.DataFrame, estimator: str = EXACT) -> list[str]:
    """Why rows of this table cannot be compared or are not shown, one sentence each."""
    sentences = _unequal_sizes(finals(results, estimator))
    repeats = shallow_repeats(one_estimator(results, estimator))
    if not repeats.is_empty():
        names = repeats["run"].unique(maintain_order=True)
        runs, more = ", ".join(names.head(3)), ", …" if names.len() > 3 else ""
        sentences.append(
            f"{repeats.height} rows ({runs}{more}) are not shown: another run has the same checkpoint at more layers."
        )
    return sentences


def _unequal_sizes(final: pl.DataFrame) -> list[str]:
    """A warning if uncorrected atoms from different numbers of rows are compared."""
    raw = final.filter(pl.col(f"{ATOMS[0]}_corrected").is_null())
    rows = final["num_test"].to_list()
    if raw.is_empty() or max(rows) <= SIZE_RATIO * min(rows):
        return []
    return [
        f"Atoms of {min(rows):,} to {max(rows):,} rows are compared, and not all are corrected for the number of rows "
        f"({places(raw)}): with fewer rows I_q is too large, which lowers redundancy and synergy. Compare equal "
        "numbers of rows, or corrected atoms."
    ]


def _first(groups: dict[tuple[object, ...], pl.DataFrame]) -> Iterable[tuple[tuple[object, ...], pl.DataFrame]]:
    return islice(groups.items(), PAGE_LISTED.most)


def _by_size(row: Mapping[str, float]) -> list[str]:
    return sorted((atom for atom in ATOMS if atom in row), key=lambda atom: -row[atom])


def _answered(row: Mapping[str, float]) -> bool:
    return row.get("uniform_both", 0.0) <= UNANSWERED


def _dataset_sentence(dataset: str, all_rows: list[dict]) -> str:
    answered = [row for row in all_rows if _answered(row)]
    left_out = len(all_rows) - len(answered)
    if not answered:
        return f"{dataset}: not interpretable because none of {left_out} models answered with option letters."
    rows = [row for row in answered if all(row[atom] is not None for atom in ATOMS)]
    if not rows:
        return f"{dataset}: synergy unknown in all of {len(answered)} models."
    leading = [_by_size(row)[0] for row in rows]
    counts = sorted(((leading.count(atom), atom) for atom in set(leading)), reverse=True)
    parts = ", ".join(f"{WORDS[atom]} in {count}" for count, atom in counts)
    top = max(rows, key=lambda row: row["synergy"])
    strongest = f"most synergy: {top['series']} ({bits(top['synergy'])} bits)"
    if top["synergy"] < NEXT_TO_NOTHING:
        strongest = f"none has {NEXT_TO_NOTHING:g} bits of synergy"
    unknown = f"; synergy unknown in {len(answered) - len(rows)} more" if len(answered) > len(rows) else ""
    others = f"; {left_out} more did not answer with option letters" if left_out else ""
    return f"{dataset}: of {len(rows)} models, the largest atom is {parts}; {strongest}{unknown}{others}."
