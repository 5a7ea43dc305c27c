"""Every figure is a function from a result table to an altair chart, for a notebook and for the report alike."""

from pid_lvlm.analysis.figures.layers import layers
from pid_lvlm.analysis.figures.spectrum import spectrum
from pid_lvlm.analysis.figures.training import training

__all__ = ["layers", "spectrum", "training"]
