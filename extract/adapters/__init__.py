"""One adapter per model family: the few things that families do not agree on."""

import extract.torchvision_ops  # noqa: F401  before transformers, which imports torchvision
