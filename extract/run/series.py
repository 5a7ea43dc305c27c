"""What runs of one command share, made once: checkpoints of a series differ only in their weights."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from transformers import ProcessorMixin

from pid_lvlm.extract.config import ExtractionConfig
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.measure.host_batches import HostBatches
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import Plan, make_plan
from pid_lvlm.extract.prompts.templates import template_name

PLANNED: Final = 250_000
"""Maximum number of items whose plans are kept, at about two kilobytes each."""

SIZES: Final = {
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("head_dim", "projection_dim", "embed_dim", "depth", "num_heads", "mlp_ratio", "mrope_section", "layer_types"),
    *("initializer_range", "_name_or_path"),
}
"""Configuration entries about a model's width and depth; they do not affect the preparation of pictures and prompts."""

PLACES: Final = {"name_or_path", "vocab_file", "tokenizer_file", "merges_file"}
"""Path entries, where a tokenizer was loaded from."""

CALLS: Final = {"padding", "truncation"}
"""State that a tokenizer keeps from its last call."""


class Series:
    """Plans and prepared batches of items shared by the runs of successive models.

    A model shares them with the previous one if both have the same processor, and the same configuration as far as
    prompts and pictures can depend on it.

    Attributes:
        batches: processor outputs for the items.
    """

    def __init__(self) -> None:
        self.batches = HostBatches()
        self._reader: str | None = None
        self._plans: dict[tuple[Any, ...], tuple[Sequence[Item], Plan]] = {}

    def begin(self, adapter: Adapter, *, last: bool) -> None:
        """Move to the next model: discard what it cannot share, and keep nothing more if it is the `last` one."""
        self.batches.open = not last
        reader = None if last and not self._plans else fingerprint(adapter)
        if reader is None or reader != self._reader:
            self._plans.clear()
            self.batches.clear()
        self._reader = reader

    def plan(self, adapter: Adapter, dataset: Dataset, config: ExtractionConfig) -> Plan:
        """The plan of a run, as from `make_plan`.

        Raises:
            PidError: the items do not fit the model.
        """
        settings = (template_name(config, dataset), config.language_span, config.letters)
        key = (*settings, dataset.file, _key(dataset.items))
        if key in self._plans:
            return self._plans[key][1]
        plan = make_plan(adapter, dataset, *settings)
        kept = sum(len(items) for items, _ in self._plans.values())
        if self.batches.open and kept + len(dataset.items) <= PLANNED:
            self._plans[key] = (dataset.items, plan)
        return plan


def _key(items: Sequence[Item]) -> tuple[int, ...]:
    """Identities of the objects; whoever keeps the key must keep the objects, too."""
    return tuple(map(id, items))


def fingerprint(adapter: Adapter) -> str | None:
    """Hash of everything that determines how prompts and pictures are prepared; None if that is unknown."""
    tokenizer, processor = adapter.tokenizer, adapter.processor
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or not isinstance(processor, ProcessorMixin):
        return None
    named = {name: str(value) for name, value in tokenizer.init_kwargs.items() if name not in PLACES}
    parts = (
        f"{type(adapter).__module__}.{type(adapter).__qualname__}",
        adapter.nested,
        adapter.context,
        adapter.can_share_prefix,
        type(processor).__qualname__,
        processor.to_json_string(),
        str(processor.chat_template),
        type(tokenizer).__qualname__,
        named,
        {name: part for name, part in json.loads(backend.to_str()).items() if name not in CALLS},
        _without_sizes(adapter.model.config.to_dict()),
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _without_sizes(config: Any) -> Any:
    if isinstance(config, Mapping):
        return {str(name): _without_sizes(value) for name, value in config.items() if name not in SIZES}
    return config
