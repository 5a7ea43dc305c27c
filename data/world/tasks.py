"""The five tasks of the demo world as finite joint distributions p(picture, question, answer letter).

A task lists the pictures and the questions that occur (up to irrelevant jitter), how often each pair
occurs, and how the answer letter is drawn for each pair. Everything else follows: items by sampling, the true
atoms by exact computation. The question includes its options in their order, because that is what a model reads.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.command.suggest import unknown_name

Array = NDArray[np.float64]

LETTERS = ("A", "B", "C", "D")
COLOURS = ("red", "green", "blue", "yellow")
QUADRANTS = ("top left", "top right", "bottom left", "bottom right")
USUAL_COLOUR = {
    "tomato": "red",
    "cherry": "red",
    "frog": "green",
    "cucumber": "green",
    "sapphire": "blue",
    "blueberry": "blue",
    "banana": "yellow",
    "lemon": "yellow",
}


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    Attributes:
        kind: `shape` (one coloured shape), `quadrant` (one quadrant lit) or `tinted` (the same on a tinted ground).
        value: Index into `COLOURS` for a shape, into `QUADRANTS` otherwise.
    """

    kind: str
    value: int

    @property
    def caption(self) -> str:
        """The picture in words, for training a language model before it gets pictures."""
        if self.kind == "shape":
            return f"a {COLOURS[self.value]} shape"
        ground = "tinted ground" if self.kind == "tinted" else "dark ground"
        return f"{ground}, {QUADRANTS[self.value]} lit"


@dataclass(frozen=True)
class Question:
    """A question and its options, in the order in which the model reads them."""

    text: str
    options: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Task:
    """One task: p(picture, question, answer letter) = prior * answers.

    Attributes:
        name: Short name, also the file name of its items.
        scenes: The pictures, the values of source 1.
        questions: The questions, the values of source 2.
        prior: p(picture, question), shape (pictures, questions).
        answers: p(letter | picture, question), shape (pictures, questions, letters).
    """

    name: str
    scenes: tuple[Scene, ...]
    questions: tuple[Question, ...]
    prior: Array
    answers: Array

    @property
    def joint(self) -> Array:
        """p(picture, question, letter), shape (pictures, questions, letters)."""
        return self.prior[:, :, None] * self.answers


def _certain(right: NDArray[np.int64]) -> Array:
    """Deterministic answers from the letter index of each (picture, question)."""
    return np.eye(len(LETTERS))[right]


def _uniform(*shape: int) -> Array:
    return np.full(shape, 1.0 / np.prod(shape))


def _shapes() -> tuple[Scene, ...]:
    return tuple(Scene("shape", value) for value in range(len(COLOURS)))


def fusion() -> Task:
    """The colour is in the picture, the order of the options in the question: pure synergy."""
    questions = tuple(Question("what colour is the shape?", order) for order in itertools.permutations(COLOURS))
    right = np.array([[question.options.index(colour) for question in questions] for colour in COLOURS])
    return Task("fusion", _shapes(), questions, _uniform(len(COLOURS), len(questions)), _certain(right))


def knowledge() -> Task:
    """The question alone determines the answer, given world knowledge; the picture is unrelated: language-unique."""
    questions = tuple(
        Question(f"what colour is a {thing} usually?", order)
        for thing in USUAL_COLOUR
        for order in itertools.permutations(COLOURS)
    )
    right = [q.options.index(USUAL_COLOUR[thing]) for q, thing in zip(questions, _things(questions), strict=True)]
    answers = _certain(np.tile(right, (len(COLOURS), 1)))
    return Task("knowledge", _shapes(), questions, _uniform(len(COLOURS), len(questions)), answers)


def _things(questions: tuple[Question, ...]) -> list[str]:
    return [next(thing for thing in USUAL_COLOUR if f" {thing} " in question.text) for question in questions]


def sight() -> Task:
    """The question is always the same, the picture determines the answer: vision-unique."""
    scenes = tuple(Scene("quadrant", value) for value in range(len(QUADRANTS)))
    return Task("sight", scenes, (Question("which quadrant is lit?", QUADRANTS),), _uniform(4, 1), np.eye(4)[:, None])


def agreement() -> Task:
    """The question says what the picture shows: redundancy."""
    scenes = tuple(Scene("quadrant", value) for value in range(len(QUADRANTS)))
    questions = tuple(Question(f"the picture shows quadrant {x} lit. which one?", QUADRANTS) for x in LETTERS)
    return Task("agreement", scenes, questions, np.eye(4) / 4, _certain(np.tile(np.arange(4), (4, 1))))


def blend() -> Task:
    """Answers drawn from a table in which all four atoms are clearly positive.

    A quadrant is lit and the question hints at a letter. In a quarter of the cases the hint is the lit quadrant,
    otherwise it is a random letter. The answer is the lit quadrant (30 %), the hinted one (20 %), or the
    quadrant in the row of the lit and the column of the hinted one (50 %).
    """
    scenes = tuple(Scene("tinted", value) for value in range(len(QUADRANTS)))
    questions = tuple(Question(f"the note hints at {x}. which quadrant wins?", QUADRANTS) for x in LETTERS)
    lit, hint = np.mgrid[:4, :4]
    mixed = 2 * (lit // 2) + hint % 2
    answers = 0.3 * _certain(lit) + 0.2 * _certain(hint) + 0.5 * _certain(mixed)
    return Task("blend", scenes, questions, 0.75 * _uniform(4, 4) + 0.25 * np.eye(4) / 4, answers)


TASKS: tuple[str, ...] = ("fusion", "knowledge", "sight", "agreement", "blend")
_MAKERS = {make.__name__: make for make in (fusion, knowledge, sight, agreement, blend)}


def get_task(name: str) -> Task:
    """Look up a task.

    Args:
        name: One of `TASKS`.

    Returns:
        The task with its table.

    Raises:
        ValueError: the task is unknown.
    """
    if name not in _MAKERS:
        raise ValueError(unknown_name("unknown task", name, TASKS))
    return _MAKERS[name]()
