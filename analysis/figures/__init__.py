"""Every figure is a function from a result table to an altair chart, for a notebook and for the report alike."""

from analysis.figures.layers import layers
from analysis.figures.spectrum import spectrum
from analysis.figures.training import training

__all__ = ["layers", "spectrum", "training"]
