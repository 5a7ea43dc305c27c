"""`--verify`: the receipt of a checkpoint without a run. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from pid_lvlm.data.contract.schema.receipt import Receipt
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.checkpoint.locate import check_model
from pid_lvlm.extract.models.load import load_adapter, pinned
from pid_lvlm.extract.models.misfit import first_pass, refuse_misfits
from pid_lvlm.extract.prompts.prompt_plan import make_plan
from pid_lvlm.extract.prompts.swaps import plan_swaps
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.contents.conditions import run_conditions
from pid_lvlm.extract.run.contents.manifest import run_layers
from pid_lvlm.extract.run.extract_run import explained_machine
from pid_lvlm.extract.run.jobs import load_all
from pid_lvlm.extract.run.progress import Reporter
from pid_lvlm.extract.run.receipt.make import Subject, make_receipt, plan_like_run
from pid_lvlm.extract.run.receipt.pairs import TRIED
from pid_lvlm.extract.run.receipt.verdict import complaints, dtype_of
from pid_lvlm.extract.run.trial_items import trial_dataset


@dataclass(frozen=True)
class Verified:
    """What was found about a model on the first items of a dataset.

    Attributes:
        model: the model.
        dataset: name of the dataset, or a description of the generated items.
        dtype: dtype it ran in.
        device: device it ran on.
        receipt: the checks.
        advice: a sentence about each check that would stop a run; empty if it would start.
    """

    model: str
    dataset: str
    dtype: str
    device: str
    receipt: Receipt
    advice: tuple[str, ...]


def verify(
    spec: ModelSpec, datasets: Sequence[DatasetSpec], config: ExtractionConfig, reporter: Reporter
) -> list[Verified]:
    """Check a model as each run on these datasets would before it measures anything.

    Args:
        spec: the model.
        datasets: benchmark files, of which only the first items are read; empty for generated items.
        config: settings of the runs.
        reporter: reports what is in progress.

    Raises:
        PidError: the model or a dataset cannot be used.
    """
    check_model(spec)
    few = replace(config, limit=min(config.limit or TRIED, TRIED))
    loaded = load_all(datasets, few) if datasets else [trial_dataset()]
    with reporter.wait(f"loading {spec.model}"):
        adapter = load_adapter(pinned(spec))
    with reporter.wait(f"checking {spec.model}"):
        return [_verified(adapter, spec, dataset, config) for dataset in loaded]


def _verified(adapter: Adapter, spec: ModelSpec, dataset: Dataset, config: ExtractionConfig) -> Verified:
    template = template_name(config, dataset)
    with explained_machine(), refuse_misfits(adapter), first_pass(adapter, spec.model):
        plan = make_plan(adapter, dataset, template, config.language_span, config.letters)
        layers = run_layers(spec, config, adapter)
        like_run = partial(plan_like_run, adapter, dataset, config)
        conditions = run_conditions(spec, config)
        swaps = plan_swaps(adapter, plan.items, conditions, template, config.language_span, config.seed)
        subject = Subject(adapter, plan, layers, config.seed, config.batch_size, like_run, conditions, swaps)
        receipt = make_receipt(subject)
    sentences = complaints(adapter, receipt)
    return Verified(spec.model, dataset.name, dtype_of(adapter), str(adapter.device), receipt, sentences)
