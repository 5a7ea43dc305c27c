"""Accuracy by best option, over all rotations of a question, and by first token; with and without the image."""

import numpy as np

from pid_jax.problems.probabilities import best_option
from pid_lvlm.data import Run
from pid_lvlm.data.names import BOTH, NO_IMAGE, OPTION_LETTERS


def accuracy_columns(run: Run, layer: int) -> dict[str, float | None]:
    """Accuracy by the best option at a layer, with and without the image, and by the first token at the output."""
    conditions, label = run.manifest.conditions, run.arrays["label"]
    known = label >= 0
    position = run.manifest.layers.index(layer)

    def accuracy(condition: str) -> float | None:
        if condition not in conditions or not known.any():
            return None
        chosen = best_option(run.arrays["loglik"][:, conditions.index(condition), position])
        return float((chosen == label)[known].mean())

    both, no_image = accuracy(BOTH), accuracy(NO_IMAGE)
    return {
        "accuracy": both,
        "accuracy_circular": circular_accuracy(run, layer),
        "accuracy_no_image": no_image,
        "d_vision": None if both is None or no_image is None else both - no_image,
        "accuracy_strict": strict_accuracy(run, BOTH) if layer == run.manifest.num_layers else None,
        "accuracy_strict_no_image": strict_accuracy(run, NO_IMAGE) if layer == run.manifest.num_layers else None,
    }


def circular_accuracy(run: Run, layer: int) -> float | None:
    """Share of questions whose best option is right in every rotation of their options (MMBench's circular score).

    A question counts only if all its rows are in the run and labelled. None if no question counts or the benchmark has
    no rotations; other groups, such as questions about one image, are not rotations.
    """
    arrays = run.arrays
    if "rotation_of" not in arrays:
        return None
    label = arrays["label"]
    scores = arrays["loglik"][:, run.manifest.conditions.index(BOTH), run.manifest.layers.index(layer)]
    _, question = np.unique(arrays["rotation_of"], return_inverse=True)
    known, right = (np.bincount(question, weights=rows) for rows in (label >= 0, best_option(scores) == label))
    wanted = np.zeros_like(known)
    np.maximum.at(wanted, question, arrays["rotations"])
    whole = known == wanted
    return float((right == known)[whole].mean()) if whole.any() else None


def strict_accuracy(run: Run, condition: str) -> float | None:
    """Share of items whose first greedy token, lower-cased and without punctuation, is the right option's letter.

    None if the run lacks first tokens, labels or this condition.
    """
    label = run.arrays["label"]
    known = np.flatnonzero(label >= 0)
    if "first_token_text" not in run.arrays or condition not in run.manifest.conditions or not known.size:
        return None
    texts = run.arrays["first_token_text"][known, run.manifest.conditions.index(condition)]
    said = ["".join(c for c in text.lower() if c.isalnum()) for text in texts.tolist()]
    letters = run.arrays["letters"].tolist() if "letters" in run.arrays else [OPTION_LETTERS] * len(label)
    right = [letters[row][label[row]].lower() for row in known.tolist()]
    return sum(a == b for a, b in zip(said, right, strict=True)) / len(right)
