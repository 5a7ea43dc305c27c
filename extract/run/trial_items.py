"""A few generated items, to check a model without a benchmark: coloured shapes, and questions about them."""

import io
from typing import Final

from PIL import Image, ImageDraw

from pid_lvlm.extract.datasets.item import Dataset, Item

COLOURS: Final = ("red", "green", "blue", "yellow")
SHAPES: Final = ("circle", "square", "triangle", "star")
SIZES: Final = ((448, 336), (336, 448), (640, 480), (336, 336), (512, 256), (224, 224))
"""Width and height of the pictures: with tiles or free resolution, each gives a different number of tokens."""

QUESTIONS: Final = (
    ("What colour is the shape?", COLOURS),
    ("Which of these shapes does the picture show, whatever its colour and wherever it is?", SHAPES),
)


def trial_dataset() -> Dataset:
    """Six items of different lengths, with pictures of different sizes and shapes."""
    items = tuple(_item(number) for number in range(len(SIZES)))
    return Dataset("made for this check", "made for this check", "0" * 64, items)


def _item(number: int) -> Item:
    colour, shape = COLOURS[number % 4], SHAPES[(number + number // 4) % 4]
    question, options = QUESTIONS[number % 2]
    return Item(
        id=f"trial-{number}",
        group=f"trial-{number}",
        picture=_picture(SIZES[number], colour, shape),
        question=question,
        options=options,
        label=options.index(colour if options == COLOURS else shape),
    )


def _picture(size: tuple[int, int], colour: str, shape: str) -> bytes:
    picture = Image.new("RGB", size, "lightgrey")
    draw = ImageDraw.Draw(picture)
    across, down, radius = size[0] // 2, size[1] // 2, min(size) // 3
    box = (across - radius, down - radius, across + radius, down + radius)
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    else:
        draw.regular_polygon((across, down, radius), 3, fill=colour)
        if shape == "star":
            draw.regular_polygon((across, down, radius), 3, rotation=180, fill=colour)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
