"""Every table is a function from a result table to a frame, for a notebook and for the report alike."""

from pid_lvlm.analysis.tables.diagnostics import diagnostics, failed
from pid_lvlm.analysis.tables.ground_truth import ground_truth
from pid_lvlm.analysis.tables.summary import summary

__all__ = ["diagnostics", "failed", "ground_truth", "summary"]
