"""One adapter per model family: the few things that families do not agree on."""

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers, which imports torchvision
