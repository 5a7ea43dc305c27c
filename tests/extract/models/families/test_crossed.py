"""Crossed pairs have the scores of single plain calls of transformers, whatever a family does with pictures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pid_lvlm.data.names import BOTH, CONDITIONS, CROSSED_ARRAYS
from pid_lvlm.extract.config import Crossing
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.crossed import crossed_arrays
from pid_lvlm.extract.prompts.crossed_plan import plan_crossed
from pid_lvlm.extract.prompts.prompt_plan import make_plan
from tests.extract.models.families.conftest import WORDS, MakeTiny
from tests.extract.models.families.tiny import on_device

PAIRS = 3
ROUNDING = 1e-5

FAMILIES = [
    ("llava", ROUNDING),
    *(pytest.param(name, ROUNDING, marks=pytest.mark.slow) for name in ("qwen2_5_vl", "internvl", "mllama")),
    pytest.param("instructblip_t5", 2 * ROUNDING, marks=pytest.mark.slow),
]
"""Plain, M-RoPE, tiles, cross-attention; and one whose vision part reads the question, with how a batch rounds."""


@pytest.mark.parametrize(("name", "rounding"), FAMILIES)
def test_every_pair_is_a_plain_call(name: str, rounding: float, tiny_of: MakeTiny) -> None:
    tiny = tiny_of(name)
    adapter, measurement = tiny.adapter, tiny.measurement
    items = tuple(replace(item, options=WORDS[:3]) for item in tiny.dataset.items)
    dataset = replace(tiny.dataset, items=items)
    plan = make_plan(adapter, dataset, "letters", "all")
    crossed = plan_crossed(adapter, dataset, plan, Crossing(PAIRS), seed=0)
    both = measurement.batch(plan.items)["loglik"][:, CONDITIONS.index(BOTH)]
    advanced: list[int] = []
    arrays = crossed_arrays(measurement, crossed, range(1, 4), both[1:], Batching(5), advanced.append)
    partner, scores = (arrays[name] for name in CROSSED_ARRAYS)
    assert sum(advanced) == 3 * (PAIRS - 1)
    np.testing.assert_array_equal(partner, crossed.partner[1:])
    np.testing.assert_array_equal(scores[:, 0], both[1:])
    letters = torch.tensor([spelling.first_ids for spelling in measurement.candidates.spellings])
    for row, asked in enumerate(partner.tolist()):
        with Image.open(items[asked[0]].picture) as picture, torch.inference_mode():
            for column, question in enumerate(asked):
                inputs = tiny.family.inputs(adapter.processor, plan.items[question].prompt, picture)
                logprobs = adapter.model(**on_device(inputs)).logits[0, -1].log_softmax(-1).cpu()
                expected = logprobs[letters].logsumexp(dim=0)[:3]
                np.testing.assert_allclose(scores[row, column, -1, :3], expected, rtol=0, atol=rounding)
    for pair, score in zip(crossed.of(range(1, 4)), scores[:, 1:].reshape(-1, *both.shape[1:]), strict=True):
        alone = measurement.scores([pair], (BOTH,))[0, 0]
        np.testing.assert_allclose(score[:, :3], alone[:, :3], rtol=0, atol=5 * ROUNDING)  # every layer
    differences = np.abs(scores[:, 1:, -1, :3] - scores[:, :1, -1, :3])
    assert differences.max() > 100 * ROUNDING, "another question should change what the model answers"
