"""How often a model was right: by its best option, with and without the picture, and by its first token."""

from data import Run
from data.names import BOTH, NO_IMAGE, OPTION_LETTERS
from pid_jax.probabilities import best_option


def accuracy_columns(run: Run, layer: int) -> dict[str, float | None]:
    """Accuracy by the best option at a layer, with and without the picture, and by the first token at the output."""
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
        "accuracy_noimage": no_image,
        "d_vision": None if both is None or no_image is None else both - no_image,
        "accuracy_strict": strict_accuracy(run) if layer == run.manifest.num_layers else None,
    }


def strict_accuracy(run: Run) -> float | None:
    """Share of items whose first greedy token, lower-cased and without punctuation, is the right letter."""
    label = run.arrays["label"]
    known = label >= 0
    if "first_token_text" not in run.arrays or not known.any():
        return None
    texts = run.arrays["first_token_text"][known, run.manifest.conditions.index(BOTH)]
    said = ["".join(c for c in text.lower() if c.isalnum()) for text in texts.tolist()]
    right = [OPTION_LETTERS[i].lower() for i in label[known].tolist()]
    return sum(a == b for a, b in zip(said, right, strict=True)) / len(right)
