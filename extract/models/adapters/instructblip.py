"""InstructBLIP: a Q-Former reads picture *and question* and fills the visual span; Vicuna or Flan-T5 answers."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers.models.instructblip.modeling_instructblip import BaseModelOutputWithVisionQformerOutputs

from pid_lvlm.data.names import SOURCES
from pid_lvlm.extract.conditions.hooks import OutputHook
from pid_lvlm.extract.conditions.sites import QUESTION, EmbeddingSite, QuestionSite, Site
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import PIXELS, Adapter, ModelInputs
from pid_lvlm.extract.models.processor.answer_tokens import Spelling, letter_spellings

IDS: Final = "input_ids"
MASK: Final = "attention_mask"
QUESTION_IDS: Final = "qformer_input_ids"
QUESTION_MASK: Final = "qformer_attention_mask"
IMAGE_EMBEDS: Final = "image_embeds"
ANSWER_IDS: Final = "decoder_input_ids"

SITES: Final[tuple[Site, ...]] = (
    EmbeddingSite(
        SOURCES[0], "vision span of the decoder's input embeddings: Q-Former output, which read the question"
    ),
    EmbeddingSite(SOURCES[1]),
    QuestionSite("word embeddings of the whole prompt as the Q-Former reads it"),
)


class InstructBlipAdapter(Adapter):
    """`InstructBlipForConditionalGeneration` with a decoder-only language model (Vicuna).

    The vision tower runs once; the Q-Former runs again under every condition, since its output in the visual span
    depends on the question. It is a second hook point, where the question is replaced as well.
    """

    family: ClassVar[str] = "instructblip"
    sites: tuple[Site, ...] = SITES
    needed: ClassVar[tuple[str, ...]] = (PIXELS, QUESTION_IDS, QUESTION_MASK)

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        self.question_tokenizer = processor.qformer_tokenizer
        self.hook_points = (OutputHook(model.qformer.embeddings.word_embeddings, QuestionSite.argument),)
        _check_image_tokens(model.config, processor)

    @classmethod
    def build(cls, model: Any, processor: Any) -> Adapter:
        """The adapter for the checkpoint's kind of language model."""
        return (cls if model.config.use_decoder_only_language_model else InstructBlipT5Adapter)(model, processor)

    def render(self, text: str, *, picture: bool) -> str:
        """Text and `Answer:`; checkpoints have no chat template, and the processor puts the picture in front."""
        del picture
        return f"{text}\nAnswer:"

    def process(self, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        """Prompts for both readers.

        The processor would pad between the picture's tokens and the prompt's own: their relative positions would then
        depend on the batch. Here it does not pad, and the whole sequence is padded on the left.

        Raises:
            ModelError: a prompt is longer than the Q-Former reads, or the processor lacks something.
        """
        more = {} if pictures is None else {"images": list(pictures)}
        batch = dict(self.processor(text=list(prompts), padding=False, **more))
        self._check_inputs(batch, {IDS, MASK, *(self.needed if pictures is not None else ())})
        inputs = _padded(self.tokenizer, batch, IDS, MASK)
        if pictures is not None:
            inputs |= _padded(self.question_tokenizer, batch, QUESTION_IDS, QUESTION_MASK)
            inputs[PIXELS] = torch.as_tensor(np.stack(batch[PIXELS]))
            self._check_question(inputs[QUESTION_IDS].shape[1])
        return inputs

    def _check_question(self, length: int) -> None:
        limit = self.model.config.qformer_config.max_position_embeddings
        if length > limit:
            message = (
                f"a prompt has {length} tokens for the Q-Former, which reads at most {limit}; leave such items out"
            )
            raise ModelError(message)

    def other_masks(self, inputs: ModelInputs) -> dict[str, Tensor]:
        """Every token that the Q-Former reads, except its own special tokens at both ends."""
        ids, tokenizer = inputs[QUESTION_IDS], self.question_tokenizer
        marks = [mark for mark in (tokenizer.cls_token_id, tokenizer.sep_token_id) if mark is not None]
        return {QUESTION: inputs[QUESTION_MASK].bool() & ~torch.isin(ids, ids.new_tensor(marks))}

    def encode_pictures(self, inputs: ModelInputs) -> ModelInputs:
        """Run the vision tower once; the Q-Former is left to the forward."""
        states = self.model.vision_model(pixel_values=inputs[PIXELS], return_dict=True).last_hidden_state
        return {**{name: value for name, value in inputs.items() if name != PIXELS}, IMAGE_EMBEDS: states}

    def forward(self, inputs: ModelInputs, keep: int) -> Tensor:
        """One pass; a prompt without a picture goes only to the language model."""
        if PIXELS in inputs:
            return self._logits(self.model, inputs, keep)
        if IMAGE_EMBEDS not in inputs:
            text = {name: value for name, value in inputs.items() if not name.startswith("qformer")}
            return self._logits(self.model.language_model, text, keep)
        rest = {name: value for name, value in inputs.items() if name in (IDS, MASK, ANSWER_IDS)}
        absent = {PIXELS: None, QUESTION_IDS: None, "mm_encoder_outputs": {"image": self._visual_span(inputs)}}
        return self._logits(self.model, {**rest, **absent}, keep)

    def _visual_span(self, inputs: ModelInputs) -> Any:
        """Q-Former and projection: the content of the visual span, in the form that the model's forward takes."""
        states = inputs[IMAGE_EMBEDS]
        queries = self.model.query_tokens.expand(len(states), -1, -1)
        seen = inputs[QUESTION_MASK]
        read = self.model.qformer(
            input_ids=inputs[QUESTION_IDS],
            attention_mask=torch.cat([seen.new_ones(queries.shape[:2]), seen], dim=1),
            query_embeds=queries,
            encoder_hidden_states=states,
            encoder_attention_mask=seen.new_ones(states.shape[:2]),
            return_dict=True,
        )
        span = self.model.language_projection(read.last_hidden_state[:, : queries.shape[1]])
        return BaseModelOutputWithVisionQformerOutputs(pooler_output=span)

    def _logits(self, model: Any, inputs: ModelInputs, keep: int) -> Tensor:
        logits: Tensor = model(**inputs, use_cache=False, logits_to_keep=keep).logits
        return logits


class InstructBlipT5Adapter(InstructBlipAdapter):
    """The same with Flan-T5: both spans are in the encoder, and letters are scored where its decoder starts."""

    answers_apart: ClassVar[bool] = True

    @property
    def decoder(self) -> nn.Module:
        """The encoder, which takes the merged embeddings."""
        encoder: nn.Module = self.model.language_model.encoder
        return encoder

    @property
    def layers(self) -> Sequence[nn.Module]:
        """Blocks of the decoder, which processes the answer."""
        blocks: Sequence[nn.Module] = self.model.language_model.decoder.block
        return blocks

    def final_norm(self, states: Tensor) -> Tensor:
        """The decoder's norm, and the scale that T5 with tied embeddings applies after it."""
        language = self.model.language_model
        normed: Tensor = language.decoder.final_layer_norm(states)
        return normed * language.model_dim**-0.5 if language.config.scale_decoder_outputs else normed

    def process(self, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        """Prompts for both readers, and the token that an answer starts from."""
        inputs = super().process(prompts, pictures)
        start = self.model.config.text_config.decoder_start_token_id
        return {**inputs, ANSWER_IDS: torch.full((len(prompts), 1), start)}

    def spellings(self, prompt: str, count: int) -> tuple[Spelling, ...]:
        """The letters as a separate answer: they follow the start token, not the prompt."""
        del prompt

        def tokenize(texts: Sequence[str]) -> list[list[int]]:
            ids: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)[IDS]
            return ids

        return letter_spellings(tokenize, "", count)

    def append(self, inputs: ModelInputs, tokens: Sequence[int]) -> ModelInputs:
        """The same prompts with an answer that begins with `tokens`."""
        ids = inputs[ANSWER_IDS]
        return {**inputs, ANSWER_IDS: torch.cat([ids, ids.new_tensor(tokens).expand(len(ids), -1)], dim=1)}

    def _logits(self, model: Any, inputs: ModelInputs, keep: int) -> Tensor:
        logits: Tensor = model(**inputs, use_cache=False).logits[:, -keep:]
        return logits


def _padded(tokenizer: Any, batch: ModelInputs, ids: str, mask: str) -> ModelInputs:
    padded = tokenizer.pad({IDS: batch[ids], MASK: batch[mask]}, return_tensors="pt")
    return {ids: padded[IDS], mask: padded[MASK]}


def _check_image_tokens(config: Any, processor: Any) -> None:
    """The class itself does not check the picture's tokens, and fails obscurely with an old configuration."""
    if config.image_token_id is None:
        message = "the checkpoint's config.json has no `image_token_index`; use a newer revision of the checkpoint"
        raise ModelError(message)
    if processor.num_query_tokens != config.num_query_tokens:
        message = (
            f"the processor writes {processor.num_query_tokens} tokens for a picture, the model has "
            f"{config.num_query_tokens} queries; use processor and weights of the same revision"
        )
        raise ModelError(message)
