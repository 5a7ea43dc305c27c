"""Configuration of a Cambrian-1 checkpoint: Llama's, plus the layout of towers and connector."""

from typing import Any, Final

from transformers import LlamaConfig

IMAGE_TOKEN_ID: Final = -200
"""Stands for the picture in token ids; the vocabulary has no row for it."""


class CambrianConfig(LlamaConfig):
    """Field names and meanings of the official config.json.

    Attributes:
        mm_vision_tower_aux_list: names of the towers; the first gives the global context.
        mm_vision_tower_aux_token_len_list: tokens that each tower's output is interpolated to, a square number.
        mm_vision_select_layer: hidden state that is read from a CLIP tower.
        vision_hidden_size: width of the connector.
        query_num_list: queries of each group of the connector, a square number.
        connector_depth: layers of the connector before the language model.
        image_token_len: positions of a square picture in the language model, not counting row ends.
        connector_only: False if layers of the language model read the towers' features again.
        num_of_vision_sampler_layers: number of such layers.
        start_of_vision_sampler_layers: the first of them, from 0.
        stride_of_vision_sampler_layers: distance from one to the next.
    """

    model_type = "cambrian_llama"
    image_token_id = IMAGE_TOKEN_ID

    mm_vision_tower_aux_list: Any = ()
    mm_vision_tower_aux_token_len_list: Any = ()
    mm_vision_select_layer: int = -2
    mm_projector_type: str = "sva"
    vision_hidden_size: int = 1024
    query_num_list: Any = (576,)
    connector_depth: int = 3
    image_token_len: int = 576
    connector_only: bool = True
    num_of_vision_sampler_layers: int = 0
    start_of_vision_sampler_layers: int = 0
    stride_of_vision_sampler_layers: int = 1

    @property
    def image_side(self) -> int:
        """Rows and columns of a square picture in the language model."""
        return round(self.image_token_len**0.5)

    @property
    def sampler_at(self) -> dict[int, int]:
        """Layer of the language model -> the sampler that runs after it."""
        if self.connector_only:
            return {}
        start, stride = self.start_of_vision_sampler_layers, self.stride_of_vision_sampler_layers
        return {start + stride * index: index for index in range(self.num_of_vision_sampler_layers)}
