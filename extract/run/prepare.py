"""The first step of a run: plans the prompts and checks the lens."""

from dataclasses import dataclass

from pid_lvlm.data.contract.reading.run_folder import is_run
from pid_lvlm.data.contract.schema.manifest import Manifest, read_manifest
from pid_lvlm.data.contract.schema.receipt import LENS
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec, crossing_of
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.embeddings import batch_moments
from pid_lvlm.extract.measure.measurement import lens_difference
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.load import continued_revision
from pid_lvlm.extract.models.misfit import first_pass
from pid_lvlm.extract.prompts.crossed_plan import CrossedPlan, plan_crossed
from pid_lvlm.extract.prompts.prompt_plan import Plan
from pid_lvlm.extract.prompts.swaps import Swaps, plan_swaps
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.contents.conditions import run_conditions
from pid_lvlm.extract.run.contents.manifest import describe_run
from pid_lvlm.extract.run.contents.run_folder import run_path
from pid_lvlm.extract.run.receipt.verdict import limit_of, not_the_output
from pid_lvlm.extract.run.series import Series


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready to be measured.

    Attributes:
        plan: prompts and spans of the items.
        manifest: the run's manifest.
        crossed: which questions are asked about each picture; None without crossed pairs.
        swaps: its items under ablations that give the model another picture or text, if there are any.
    """

    plan: Plan
    manifest: Manifest
    crossed: CrossedPlan | None = None
    swaps: Swaps | None = None

    @property
    def splits_letters(self) -> bool:
        """Whether the tokenizer splits an option letter into several tokens."""
        return self.plan.candidates.longest > 1


def prepare_run(
    adapter: Adapter,
    spec: ModelSpec,
    revision: str | None,
    dataset: Dataset,
    config: ExtractionConfig,
    series: Series,
) -> PreparedRun:
    """Plan a run, or reuse the plan of the series; writes nothing yet.

    Raises:
        PidError: the items do not fit the model.
    """
    plan = series.plan(adapter, dataset, config)
    crossing = crossing_of(spec, config)
    crossed = None if crossing is None else plan_crossed(adapter, dataset, plan, crossing, config.seed)
    swaps = plan_swaps(
        adapter,
        plan.items,
        run_conditions(spec, config),
        template_name(config, dataset),
        config.language_span,
        config.seed,
    )
    with first_pass(adapter, spec.model):
        _check_lens(adapter, plan)
    probe = batch_moments(adapter, plan.items[:1])
    folder = run_path(config.out, spec.run_name(dataset.name))
    if is_run(folder):
        revision = continued_revision(spec, revision, read_manifest(folder).revision)
    manifest = describe_run(adapter, spec, revision, dataset, config, plan, probe)
    return PreparedRun(plan, manifest, crossed, swaps)


def _check_lens(adapter: Adapter, plan: Plan) -> None:
    """Check that the lens of the last layer equals the model's output, or every layer's numbers would be wrong."""
    difference = lens_difference(adapter, plan.items[:1])
    if not difference <= limit_of(adapter, LENS):
        raise ModelError(not_the_output(difference))
