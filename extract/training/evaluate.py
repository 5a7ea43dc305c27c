"""Answer probabilities of a model under the four conditions: the trainer's own check, apart from the extraction."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration

from extract.training.conversations import IGNORED, Conversations
from extract.training.noise import SpanStatistics
from extract.training.stages import answer_logits, embed

CONDITIONS = ("both", "vision_only", "language_only", "no_image")


@torch.no_grad()
def letter_probabilities(
    model: LlavaForConditionalGeneration, data: Conversations, letters: list[int], seed: int = 0, batch_size: int = 128
) -> dict[str, Tensor]:
    """Probabilities of the answer letters for conversations of one turn and one task.

    Args:
        model: The model.
        data: Conversations whose answer starts with a letter.
        letters: Token ids of the letters.
        seed: Seed of the noise.
        batch_size: Conversations per forward pass.

    Returns:
        For each condition the probabilities under the full vocabulary, shape (conversations, letters).
    """
    generator = torch.Generator().manual_seed(seed)
    width = model.get_input_embeddings().weight.shape[1]
    chunks = torch.arange(len(data)).split(batch_size)
    spans = {"language_only": SpanStatistics(1, width), "vision_only": SpanStatistics(1, width)}
    shown = (
        [embed(model, data.texts.ids[rows], data.pixels[rows]) for rows in chunks] if data.pixels is not None else []
    )
    embeddings, visual = (torch.cat(parts) for parts in zip(*shown, strict=True))
    masks = {"language_only": visual, "vision_only": data.texts.language}
    source = torch.zeros(len(data), dtype=torch.long)
    result = {}
    for condition in CONDITIONS:
        texts = data.bare if condition == "no_image" else data.texts
        values = model.get_input_embeddings()(texts.ids) if condition == "no_image" else embeddings
        if condition in spans:
            spans[condition].update(embeddings, masks[condition], source)
            values = spans[condition].replace(values, masks[condition], source, generator)
        first = texts.labels.clone()
        # Only the first token of each answer is the letter.
        first[(first != IGNORED).cumsum(1) > 1] = IGNORED
        logits = torch.cat([answer_logits(model, values[rows], first[rows]) for rows in chunks])
        result[condition] = logits.softmax(-1)[:, letters]
    return result
