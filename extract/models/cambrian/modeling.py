"""Cambrian-1: Llama after the spatial vision aggregator, which may also run between Llama's layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageTextToText, LlamaForCausalLM, LlamaModel
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.cambrian import grid
from pid_lvlm.extract.models.cambrian.aggregator import Aggregator
from pid_lvlm.extract.models.cambrian.configuration import IMAGE_TOKEN_ID, CambrianConfig
from pid_lvlm.extract.models.cambrian.towers import find_towers, load_towers

TOWERS = "vision_tower_aux_list"


@dataclass(frozen=True)
class EncodedPictures:
    """Pictures of a batch after towers and connector.

    Attributes:
        embeddings: (positions, hidden) of all pictures, row by row with the row ends.
        features: windows per tower, (patches of all pictures, tokens of a window, connector width).
        masks: per tower, which of a window's tokens show the picture.
        context: (batch, connector width), mean of the first tower's features.
    """

    embeddings: Tensor
    features: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]
    context: Tensor


class CambrianModel(LlamaModel):
    """Decoder, connector and samplers; the towers are attached when weights are loaded."""

    config: CambrianConfig

    def __init__(self, config: CambrianConfig) -> None:
        super().__init__(config)
        if config.mm_projector_type != "sva":
            message = (
                f"Cambrian checkpoints with the connector `{config.mm_projector_type}` are not supported, only `sva`"
            )
            raise ModelError(message)
        width, hidden = config.vision_hidden_size, config.hidden_size
        towers = find_towers(config)
        for index, tower in enumerate(towers):
            projector = nn.Sequential(
                nn.Linear(tower.width, width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width)
            )
            self.add_module(f"mm_projector_aux_{index}", projector)
        for group, queries in enumerate(config.query_num_list):
            sides = self._window_sides(round(queries**0.5))
            self.add_module(f"vision_sampler_{group}", Aggregator(width, width, sides, config.connector_depth))
        groups = len(config.query_num_list)
        self.mm_projector = nn.Sequential(nn.Linear(width * groups, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        if not config.connector_only:
            sides = self._window_sides(config.image_side)
            count = config.num_of_vision_sampler_layers
            self.vision_sampler_layers = nn.ModuleList(Aggregator(hidden, width, sides) for _ in range(count))
        self.vision_query = nn.Parameter(torch.randn(groups, width))
        self.image_newline = nn.Parameter(torch.randn(hidden))
        self.post_init()

    def _window_sides(self, side: int) -> list[int]:
        """Side of a window per tower, on a grid of `side` × `side` windows."""
        return [round(tokens**0.5) // side for tokens in self.config.mm_vision_tower_aux_token_len_list]

    def encode(self, pixels: Sequence[Tensor], sizes: Sequence[grid.Size]) -> EncodedPictures:
        """Towers and connector.

        Args:
            pixels: per tower (batch, 3, side, side).
            sizes: width and height of each picture before padding.
        """
        towers: Any = getattr(self, TOWERS)
        projectors = [self.get_submodule(f"mm_projector_aux_{index}") for index in range(len(towers))]
        weights = self.image_newline
        tokens = [
            projector(tower(part).to(weights.device, weights.dtype))
            for projector, tower, part in zip(projectors, towers, pixels, strict=True)
        ]
        context = tokens[0].mean(dim=1)
        groups = [
            self._queried(group, count, tokens, context, sizes)
            for group, count in enumerate(self.config.query_num_list)
        ]
        side = self.config.image_side
        squares = self.mm_projector(torch.cat(groups, dim=-1)).unflatten(1, (side, side))
        features, masks = _all_windows(tokens, side, sizes, trimmed=True)
        return EncodedPictures(
            embeddings=torch.cat([self._rows(square, size) for square, size in zip(squares, sizes, strict=True)]),
            features=() if self.config.connector_only else features,
            masks=() if self.config.connector_only else masks,
            context=context,
        )

    def _queried(
        self, group: int, count: int, tokens: Sequence[Tensor], context: Tensor, sizes: Sequence[grid.Size]
    ) -> Tensor:
        """Output of one group of queries over the towers, (batch, image tokens, connector width)."""
        batch = len(context)
        features, masks = _all_windows(tokens, round(count**0.5), sizes, trimmed=False)
        queries = self.vision_query[group].expand(batch * count, 1, -1)
        sampler = self.get_submodule(f"vision_sampler_{group}")
        gathered = sampler(queries, context.repeat_interleave(count, dim=0)[:, None], features, masks)
        return grid.resample(gathered.view(batch, count, -1), self.config.image_token_len)

    def _rows(self, square: Tensor, size: grid.Size) -> Tensor:
        """The part of the square that the picture fills, with the newline vector after each row."""
        filled = grid.trim(square, size)
        ends = self.image_newline.expand(filled.shape[0], 1, -1)
        return torch.cat([filled, ends], dim=1).flatten(0, 1)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        vision_tower_aux_feature_list: Sequence[Tensor] | None = None,
        vision_tower_aux_attention_masks_list: Sequence[Tensor] | None = None,
        global_context_feature: Tensor | None = None,
        patch_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Run Llama's layers, with the samplers after those that have one; without tower features no sampler runs.

        Args:
            input_ids: (batch, tokens), without a picture.
            attention_mask: (batch, tokens).
            position_ids: (1 or batch, tokens).
            inputs_embeds: (batch, tokens, hidden), the picture in its place.
            vision_tower_aux_feature_list: windows per tower, see `EncodedPictures`.
            vision_tower_aux_attention_masks_list: their masks.
            global_context_feature: (batch, connector width).
            patch_mask: (batch, tokens), positions of the picture's patches, without row ends.
            kwargs: passed to the layers.
        """
        kwargs.pop("use_cache", None)
        states: Tensor = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        if position_ids is None:
            position_ids = torch.arange(states.shape[1], device=states.device)[None]
        causal = create_causal_mask(
            config=self.config,
            inputs_embeds=states,
            attention_mask=attention_mask,
            past_key_values=None,
            position_ids=position_ids,
        )
        rotary = self.rotary_emb(states, position_ids=position_ids)
        samplers = self.config.sampler_at if vision_tower_aux_feature_list is not None else {}
        for index, layer in enumerate(self.layers):
            states = layer(
                states, attention_mask=causal, position_embeddings=rotary, position_ids=position_ids, **kwargs
            )
            if index in samplers:
                assert patch_mask is not None
                assert global_context_feature is not None
                context = global_context_feature.repeat_interleave(patch_mask.sum(dim=1), dim=0)[:, None]
                sampler = self.vision_sampler_layers[samplers[index]]
                patches = states[patch_mask][:, None]
                seen = sampler(patches, context, vision_tower_aux_feature_list, vision_tower_aux_attention_masks_list)
                states = states.clone()
                states[patch_mask] = seen[:, 0]
        return BaseModelOutputWithPast(last_hidden_state=self.norm(states))


def _all_windows(
    tokens: Sequence[Tensor], side: int, sizes: Sequence[grid.Size], *, trimmed: bool
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Windows of all pictures, concatenated, and their masks, per tower."""
    pairs = [
        [grid.windows(one, side, size, trimmed=trimmed) for one, size in zip(tower, sizes, strict=True)]
        for tower in tokens
    ]
    features = tuple(torch.cat([windows for windows, _ in tower]) for tower in pairs)
    return features, tuple(torch.cat([mask for _, mask in tower]) for tower in pairs)


class CambrianForCausalLM(LlamaForCausalLM):
    """The model with its head. Checkpoints hold decoder, connector and samplers; towers are loaded separately."""

    config_class = CambrianConfig
    config: CambrianConfig
    model: CambrianModel

    def __init__(self, config: CambrianConfig) -> None:
        super(LlamaForCausalLM, self).__init__(config)
        self.model = CambrianModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    @classmethod
    def from_pretrained(cls, source: str, *args: Any, output_loading_info: bool = False, **kwargs: Any) -> Any:
        """Load a checkpoint and its towers; with `output_loading_info`, also return loading info as transformers does.

        Raises:
            ModelError: parameters are missing or unknown: none may keep its initial value.
        """
        model, report = super().from_pretrained(source, *args, output_loading_info=True, **kwargs)
        if wrong := sorted({*report["missing_keys"], *report["unexpected_keys"]}):
            message = (
                f"`{source}` does not fit the Cambrian-1 layout: parameter `{wrong[0]}` is only on one side "
                f"({len(wrong)} such); checkpoints with trained towers or other language models are not supported"
            )
            raise ModelError(message)
        towers = load_towers(model.config, model.dtype).to(model.device)
        model.model.add_module(TOWERS, towers)
        return (model, report) if output_loading_info else model

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pixel_values: Sequence[Tensor] | None = None,
        image_sizes: Tensor | None = None,
        mm_encoder_outputs: dict[str, EncodedPictures] | None = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits of a batch whose pictures fill the positions of `IMAGE_TOKEN_ID`.

        Args:
            input_ids: (batch, tokens).
            attention_mask: (batch, tokens).
            pixel_values: per tower (batch, 3, side, side).
            image_sizes: (batch, 2) width and height of the pictures.
            mm_encoder_outputs: encoded pictures instead of pixels.
            logits_to_keep: number of last positions to compute; 0 for all.
            kwargs: passed to the decoder.
        """
        encoded = (mm_encoder_outputs or {}).get("image")
        if pixel_values is not None:
            assert image_sizes is not None
            encoded = self.model.encode(pixel_values, [(int(w), int(h)) for w, h in image_sizes.tolist()])
        visual = input_ids == IMAGE_TOKEN_ID
        embeddings = self.model.embed_tokens(input_ids.masked_fill(visual, 0))
        if encoded is not None:
            picture = encoded.embeddings.to(embeddings.device, embeddings.dtype)
            embeddings = embeddings.masked_scatter(visual[..., None], picture)
            if encoded.features:
                kwargs |= {
                    "vision_tower_aux_feature_list": encoded.features,
                    "vision_tower_aux_attention_masks_list": encoded.masks,
                    "global_context_feature": encoded.context,
                    "patch_mask": patch_mask(visual, image_sizes, self.config.image_side),
                }
        states = self.model(inputs_embeds=embeddings, attention_mask=attention_mask, **kwargs).last_hidden_state
        return CausalLMOutputWithPast(logits=self.lm_head(states[:, -logits_to_keep:]))


def patch_mask(visual: Tensor, sizes: Tensor | None, side: int) -> Tensor:
    """The positions that pictures fill, (batch, tokens), except row ends.

    Raises:
        ValueError: the sizes of the pictures are not given.
    """
    if sizes is None:
        message = "image_sizes is needed to tell row ends from patches"
        raise ValueError(message)
    mask = visual.clone()
    for row, (width, height) in zip(mask, sizes.tolist(), strict=True):
        _, columns = grid.shape(side, (int(width), int(height)))
        positions = row.nonzero()[:, 0]
        row[positions[columns :: columns + 1]] = False
    return mask


AutoConfig.register(CambrianConfig.model_type, CambrianConfig, exist_ok=True)
AutoModelForImageTextToText.register(CambrianConfig, CambrianForCausalLM, exist_ok=True)
