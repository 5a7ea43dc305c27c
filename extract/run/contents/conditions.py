"""The conditions of a run: the paper's, and those of the requested ablations."""

from pid_lvlm.data.contract.schema.conditions import ablated_conditions
from pid_lvlm.data.names import CONDITIONS
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec


def run_conditions(spec: ModelSpec, config: ExtractionConfig) -> tuple[str, ...]:
    """Names of a run's conditions, in the order of its manifest.

    Example:
        >>> from pathlib import Path
        >>> run_conditions(ModelSpec("tiny"), ExtractionConfig(Path("runs"), ablation=("noise",)))
        ('both', 'vision_only', 'language_only', 'no_image', 'neither.noise')
    """
    ablations = config.ablation if spec.ablation is None else spec.ablation
    draws = config.other_draws if spec.other_draws is None else spec.other_draws
    return (*CONDITIONS, *(condition.name for condition in ablated_conditions(ablations, draws)))
