"""One adapter per model family, for the few things in which families differ."""

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers, which imports torchvision
