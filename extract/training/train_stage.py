"""Run one stage of training: which parts learn, from what, under which conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration

from pid_lvlm.data.names import BOTH, CONDITIONS, LANGUAGE_ONLY, NO_IMAGE, VISION_ONLY
from pid_lvlm.extract.training.config import LANGUAGE, Stage
from pid_lvlm.extract.training.conversations import IGNORED, Conversations, Texts
from pid_lvlm.extract.training.noise import SpanStatistics

INDEX = {condition: index for index, condition in enumerate(CONDITIONS)}
"""Conditions as numbers, for tensors that hold one per sample."""
Report = Callable[[int, float], None]
Keep = Callable[[int], None]


def select_trainable(model: LlavaForConditionalGeneration, modules: tuple[str, ...]) -> list[torch.nn.Parameter]:
    """Freeze a model except for some of its parts.

    Args:
        model: The model.
        modules: Names of the parts that stay trainable.

    Returns:
        The trainable weights.
    """
    model.requires_grad_(False)
    for name in modules:
        getattr(model.model, name).requires_grad_(True)
    if LANGUAGE in modules:
        model.lm_head.requires_grad_(True)
    return [weight for weight in model.parameters() if weight.requires_grad]


def visual_embeddings(model: LlavaForConditionalGeneration, pixels: Tensor) -> Tensor:
    """Pictures as the language model will see them.

    Args:
        model: The model.
        pixels: Shape (pictures, 3, height, width).

    Returns:
        Projected features of shape (pictures, patches, dimensions).
    """
    config = model.config
    features = model.model.get_image_features(
        pixel_values=pixels,
        vision_feature_layer=config.vision_feature_layer,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        return_dict=True,
    )
    return torch.stack(list(features.pooler_output))


def embed(model: LlavaForConditionalGeneration, ids: Tensor, pixels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Input embeddings of conversations with the pictures in their places.

    Args:
        model: The model.
        ids: Token ids, shape (batch, positions).
        pixels: Pictures of the rows that have places for one, in the order of those rows.

    Returns:
        The embeddings (batch, positions, dimensions) and the mask of the visual positions.
    """
    visual = ids == model.config.image_token_id
    embeddings = model.get_input_embeddings()(ids)
    if pixels is not None and len(pixels):
        features = visual_embeddings(model, pixels)
        embeddings = embeddings.masked_scatter(visual.unsqueeze(-1), features.to(embeddings.dtype))
    return embeddings, visual


def answer_logits(model: LlavaForConditionalGeneration, embeddings: Tensor, labels: Tensor) -> Tensor:
    """Logits at the positions that predict an answer; padding on the right needs no mask in a causal model."""
    states = model.model.language_model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
    return model.lm_head(states[labels != IGNORED])


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless rows in random order, each once per pass."""
    pool = torch.empty(0, dtype=torch.long)
    while True:
        while len(pool) < size:
            pool = torch.cat([pool, torch.randperm(count, generator=generator)])
        yield pool[:size]
        pool = pool[size:]


def _conditions(stage: Stage, size: int, generator: torch.Generator) -> Tensor:
    """The condition of each sample of a batch, by its number in `CONDITIONS`."""
    shares = {
        BOTH: 1 - stage.noise_share - stage.no_image_share,
        VISION_ONLY: stage.noise_share / 2,
        LANGUAGE_ONLY: stage.noise_share / 2,
        NO_IMAGE: stage.no_image_share,
    }
    edges = torch.tensor([shares[name] for name in CONDITIONS]).cumsum(0)[:-1]
    return torch.bucketize(torch.rand(size, generator=generator), edges, right=True)


def _pad(texts: Texts, width: int, pad: int) -> Texts:
    missing = width - texts.ids.shape[1]
    grow = torch.nn.functional.pad
    return Texts(
        grow(texts.ids, (0, missing), value=pad),
        grow(texts.labels, (0, missing), value=IGNORED),
        grow(texts.language, (0, missing), value=False),
    )


def run_stage(
    model: LlavaForConditionalGeneration,
    stage: Stage,
    data: Conversations,
    seed: int,
    report: Report = lambda step, loss: None,
    keep: Keep = lambda step: None,
) -> None:
    """Train a model in place.

    Args:
        model: The model.
        stage: The stage.
        data: The training set.
        seed: Seed of the order of samples, of their conditions and of the noise.
        report: Called with the step and its loss after every step.
        keep: Called with the step after those that the stage lists as checkpoints.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = select_trainable(model, stage.modules)
    optimiser = torch.optim.AdamW(weights, lr=stage.learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(stage, step))
    width = model.get_input_embeddings().weight.shape[1]
    statistics = [SpanStatistics(len(data.sources), width) for _ in range(2)]
    pad = model.config.text_config.pad_token_id
    bare = _pad(data.bare, data.texts.ids.shape[1], pad)
    rows = _batches(len(data), stage.batch_size, generator)
    model.train()
    for step in range(1, stage.steps + 1):
        batch = next(rows)
        condition = _conditions(stage, len(batch), generator)
        if data.pixels is None:
            condition.fill_(INDEX[NO_IMAGE])
        shown = condition != INDEX[NO_IMAGE]
        order = torch.cat([batch[shown], batch[~shown]])
        condition = torch.cat([condition[shown], condition[~shown]])
        source = data.source[order]
        full, none = data.texts[batch[shown]], bare[batch[~shown]]
        texts = Texts(*(torch.cat(pair) for pair in zip(_fields(full), _fields(none), strict=True)))
        pixels = None if data.pixels is None else data.pixels[batch[shown]]
        embeddings, visual = embed(model, texts.ids, pixels)
        if stage.noise_share:
            for span, mask, when in ((0, visual, LANGUAGE_ONLY), (1, texts.language, VISION_ONLY)):
                statistics[span].update(embeddings.detach(), mask & (condition != INDEX[NO_IMAGE])[:, None], source)
                replaced = mask & (condition == INDEX[when])[:, None]
                embeddings = statistics[span].replace(embeddings, replaced, source, generator)
        logits = answer_logits(model, embeddings, texts.labels)
        loss = torch.nn.functional.cross_entropy(logits, texts.labels[texts.labels != IGNORED])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        schedule.step()
        report(step, loss.item())
        if step in stage.checkpoints:
            keep(step)
    model.eval()


def _fields(texts: Texts) -> tuple[Tensor, Tensor, Tensor]:
    return texts.ids, texts.labels, texts.language


def _rate(stage: Stage, step: int) -> float:
    """Learning rate after so many steps, as a share of its peak."""
    if step < stage.warmup:
        return (step + 1) / stage.warmup
    return max(stage.steps - step, 0) / max(stage.steps - stage.warmup, 1) if stage.decay else 1.0
