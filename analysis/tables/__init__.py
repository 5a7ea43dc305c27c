"""Every table is a function from a result table to a frame, for a notebook and for the report alike."""

from analysis.tables.cautions import cautions
from analysis.tables.failed import failed
from analysis.tables.planted import planted
from analysis.tables.summary import summary

__all__ = ["cautions", "failed", "planted", "summary"]
