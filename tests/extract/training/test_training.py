"""The trainer on a micro model: what is frozen, what is masked, and that a seed fixes everything."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pid_lvlm.data.names import BOTH, CONDITIONS, LANGUAGE_ONLY, NO_IMAGE, VISION_ONLY
from pid_lvlm.data.world import conversation, get_task, make_items, user_text
from pid_lvlm.extract.training.build_model import build_model
from pid_lvlm.extract.training.config import LANGUAGE, PROJECTOR, VISION, ModelSize, Stage
from pid_lvlm.extract.training.conversations import IGNORED, ConversationError, prepare
from pid_lvlm.extract.training.demo.make_demo import Checkpoint, training_set
from pid_lvlm.extract.training.demo.recipe import RECIPE, quick
from pid_lvlm.extract.training.demo.vision_pretraining import pretrain_vision
from pid_lvlm.extract.training.noise import SpanStatistics
from pid_lvlm.extract.training.train_stage import _conditions, run_stage, select_trainable

MICRO = ModelSize("micro", hidden=16, layers=1, heads=2, intermediate=16, vision_hidden=16, vision_layers=1)
STEPS = Stage("tune", (VISION, PROJECTOR, LANGUAGE), 3, 1e-3, batch_size=8, noise_share=0.6, no_image_share=0.2)


@pytest.fixture(scope="module")
def data():
    return training_set(MICRO, replace(RECIPE, conversations=8))


def micro(data):
    return build_model(MICRO, data.processor.tokenizer)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    ("modules", "prefixes"),
    [
        ((PROJECTOR,), ("model.multi_modal_projector.",)),
        ((LANGUAGE,), ("model.language_model.", "lm_head.")),
        ((VISION, PROJECTOR), ("model.vision_tower.", "model.multi_modal_projector.")),
    ],
)
def test_a_stage_changes_only_its_modules(data, modules, prefixes):
    model = micro(data)
    before = weights(model)
    run_stage(model, replace(STEPS, modules=modules), data.seen, seed=0)
    changed = {name for name, value in weights(model).items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith(prefixes) for name in changed)


def test_the_same_seed_gives_the_same_weights(data):
    runs = []
    for seed in (0, 0, 1):
        model = micro(data)
        run_stage(model, STEPS, data.seen, seed=seed)
        runs.append(weights(model))
    assert all(torch.equal(value, runs[1][name]) for name, value in runs[0].items())
    assert any(not torch.equal(value, runs[2][name]) for name, value in runs[0].items())


def test_checkpoints_are_kept_after_their_steps(data):
    kept, losses = [], []
    stage = replace(STEPS, checkpoints=(1, 3))
    run_stage(micro(data), stage, data.seen, 0, lambda step, loss: losses.append(loss), kept.append)
    assert kept == [1, 3]
    assert len(losses) == 3
    assert np.isfinite(losses).all()


def test_a_text_stage_needs_no_pictures(data):
    assert data.captions.pixels is None
    model = micro(data)
    run_stage(model, replace(STEPS, modules=(LANGUAGE,)), data.captions, seed=0)


def test_the_tower_learns_to_classify(data):
    model = micro(data)
    losses = []
    tower = model.model.vision_tower
    pretrain_vision(tower, data.seen.pixels, data.classes, 16, seed=0, report=lambda _, loss: losses.append(loss))
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_select_trainable_counts(data):
    model = micro(data)
    projector = sum(weight.numel() for weight in model.model.multi_modal_projector.parameters())
    assert sum(weight.numel() for weight in select_trainable(model, (PROJECTOR,))) == projector


def test_language_span_is_the_users_text_and_labels_are_the_answer(data):
    task = get_task("knowledge")
    (item,) = make_items(task, 1)
    one = prepare([conversation(item, "knowledge")], data.processor)
    tokenizer = data.processor.tokenizer
    text = user_text(item.question.text, item.question.options)
    plain = tokenizer(text, add_special_tokens=False)["input_ids"]
    for texts, visible in ((one.texts, 16), (one.bare, 0)):
        assert texts.ids[0][texts.language[0]].tolist() == plain
        assert texts.labels[0][texts.labels[0] != IGNORED].tolist() == [
            tokenizer.convert_tokens_to_ids(item.answer),
            tokenizer.eos_token_id,
        ]
        assert (texts.ids == tokenizer.convert_tokens_to_ids("<image>")).sum() == visible


def test_training_text_is_what_the_processor_makes_of_the_prompt(data):
    (item,) = make_items(get_task("fusion"), 1)
    text = user_text(item.question.text, item.question.options)
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
    prompt = data.processor.apply_chat_template(messages, add_generation_prompt=True)
    pixels = np.zeros((32, 32, 3), dtype=np.uint8)
    inputs = data.processor(images=Image.fromarray(pixels), text=prompt, return_tensors="pt")
    ids = prepare([conversation(item, "fusion")], data.processor).texts.ids[0]
    assert inputs["input_ids"][0].tolist() == ids[:-2].tolist()
    assert prompt.startswith("USER: <image>\nwhat colour")
    assert prompt.endswith("directly. ASSISTANT:")


def test_several_turns_and_image_files(data, tmp_path):
    Image.fromarray(np.full((32, 32, 3), 90, dtype=np.uint8)).save(tmp_path / "one.png")
    turns = [("human", "<image>\nwhich quadrant is lit?"), ("gpt", "A"), ("human", "which one?"), ("gpt", "B")]
    record = {"id": 1, "image": "one.png", "conversations": [{"from": who, "value": said} for who, said in turns]}
    one = prepare([record], data.processor, tmp_path)
    labels = one.texts.labels[0]
    assert data.processor.tokenizer.convert_ids_to_tokens(labels[labels != IGNORED]) == ["A", "</s>", "B", "</s>"]
    assert one.pixels.shape == (1, 3, 32, 32)
    assert one.sources == ("all",)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": 7, "conversations": [{"from": "robot", "value": "x"}]}, "record 7: expected turns"),
        ({"id": 8, "conversations": [{"from": "human", "value": "x"}]}, "record 8: the last turn"),
        ({"id": 9, "image": "no.png", "conversations": [{"from": "gpt", "value": "A"}]}, "record 9: cannot read"),
    ],
)
def test_bad_records_are_named(data, record, message):
    with pytest.raises(ConversationError, match=message):
        prepare([record], data.processor)


def test_noise_has_the_statistics_of_its_task_and_touches_its_span_only():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(64, 40, 3, generator=generator) * torch.tensor([1.0, 2.0, 0.0]) + 5.0
    source = torch.arange(64) % 2
    embeddings[source == 1] += 10.0
    mask = torch.zeros(64, 40, dtype=torch.bool)
    mask[:, :30] = True
    statistics = SpanStatistics(2, 3)
    statistics.update(embeddings, mask, source)
    noisy = statistics.replace(embeddings, mask, source, generator)
    assert torch.equal(noisy[:, 30:], embeddings[:, 30:])
    for task in (0, 1):
        values = noisy[source == task][:, :30].reshape(-1, 3)
        torch.testing.assert_close(values.mean(0), torch.full((3,), 5.0 + 10.0 * task), atol=0.3, rtol=0)
        torch.testing.assert_close(values.std(0), torch.tensor([1.0, 2.0, 0.0]), atol=0.15, rtol=0)


def test_condition_shares():
    drawn = _conditions(STEPS, 20_000, torch.Generator().manual_seed(0))
    shares = dict(zip(CONDITIONS, (torch.bincount(drawn, minlength=4) / 20_000).tolist(), strict=True))
    assert shares == pytest.approx({BOTH: 0.2, VISION_ONLY: 0.3, LANGUAGE_ONLY: 0.3, NO_IMAGE: 0.2}, abs=0.02)


def test_quick_recipe_keeps_the_shape_of_the_real_one():
    short = quick(RECIPE)
    assert [stage.name for stage in short.stages] == [stage.name for stage in RECIPE.stages] == ["align", "tune"]
    assert [stage.modules for stage in short.stages] == [stage.modules for stage in RECIPE.stages]
    assert all(len(stage.checkpoints) == 4 and stage.checkpoints[-1] == stage.steps for stage in RECIPE.stages)


def test_checkpoint_entry():
    text = Checkpoint("checkpoints/tiny/tune-0002", "demo-llava-tiny", 0.0003, "tune", 2, True).fields
    assert 'size_b = 0.0003000\nstage = "tune"\nstep = 2\nfinal = true' in text
