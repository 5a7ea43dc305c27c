"""Tests, in folders that mirror the packages."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""Of the checkout."""

CHECKPOINT = ROOT / "data" / "demo" / "checkpoints" / "llava-tiny" / "tune-4000"
"""The smallest of the demo's trained models."""
