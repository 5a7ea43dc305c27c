"""Cambrian-1 on transformers 5: a port that reads official checkpoints, whose original code needs transformers 4.37.

Module and parameter names match the checkpoints. The vision towers are not part of a checkpoint; see `towers`.
"""

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers, which imports torchvision
