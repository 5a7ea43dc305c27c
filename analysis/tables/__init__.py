"""Every table is a function from a result table to a frame, for a notebook and for the report alike."""

from pid_lvlm.analysis.tables.diagnostics import cautions, failed
from pid_lvlm.analysis.tables.ground_truth import planted
from pid_lvlm.analysis.tables.summary import summary

__all__ = ["cautions", "failed", "planted", "summary"]
