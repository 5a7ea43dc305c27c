"""The spatial vision aggregator: each query attends to the features of all towers at its position in the picture."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

HEADS: Final = 16
"""Attention heads, the same in every checkpoint."""


class Mlp(nn.Module):
    """Two linear layers without bias."""

    def __init__(self, width_in: int, hidden: int, width_out: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width_in, hidden, bias=False)
        self.act = nn.GELU()
        self.linear_2 = nn.Linear(hidden, width_out, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """(…, width in) to (…, width out)."""
        result: Tensor = self.linear_2(self.act(self.linear_1(states)))
        return result


def _normed_linear(width: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width, bias=False))


class TowerAttention(nn.Module):
    """Joint attention over the windows of several towers, with separate key and value projections per tower."""

    def __init__(self, width: int, towers: int) -> None:
        super().__init__()
        self.towers = towers
        self.q_proj = _normed_linear(width)
        for index in range(towers):
            self.add_module(f"k_proj_{index}", _normed_linear(width))
            self.add_module(f"v_proj_{index}", _normed_linear(width))
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, queries: Tensor, features: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """Queries (n, 1, width), each tower's features (n, window, width) and masks (n, window) to (n, 1, width)."""
        keys = self._projected("k", features)
        values = self._projected("v", features)
        mask = torch.cat(list(masks), dim=1)[:, None, None, :]
        attended = nn.functional.scaled_dot_product_attention(
            _heads(self.q_proj(queries)), _heads(keys), _heads(values), attn_mask=mask
        )
        result: Tensor = self.o_proj(attended.transpose(1, 2).flatten(2))
        return result

    def _projected(self, which: str, features: Sequence[Tensor]) -> Tensor:
        parts = [self.get_submodule(f"{which}_proj_{index}")(part) for index, part in enumerate(features)]
        return torch.cat(parts, dim=1)


def _heads(states: Tensor) -> Tensor:
    return states.unflatten(2, (HEADS, -1)).transpose(1, 2)


class AggregatorLayer(nn.Module):
    """One round: the query, combined with the global context, attends to its windows and is updated by a residual."""

    def __init__(self, query_width: int, width: int, window_sides: Sequence[int]) -> None:
        super().__init__()
        self.proj_context = nn.Linear(width, width, bias=False)
        self.proj_in = nn.Linear(query_width + width, width, bias=False)
        self.proj_out = Mlp(width, width, query_width)
        self.norm = nn.LayerNorm(width)
        self.cross_attn = TowerAttention(width, len(window_sides))
        for index, side in enumerate(window_sides):
            if side > 1:
                self.register_parameter(f"pos_embed_{index}", nn.Parameter(torch.randn(side**2, width)))

    def forward(self, queries: Tensor, context: Tensor, features: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """Queries (n, 1, query width) with context (n, 1, width) to (n, 1, query width)."""
        placed = [
            part + self.get_parameter(f"pos_embed_{index}").to(part.dtype) if part.shape[1] > 1 else part
            for index, part in enumerate(features)
        ]
        narrow = self.proj_in(torch.cat([queries, self.proj_context(context)], dim=-1))
        result: Tensor = queries + self.proj_out(self.norm(narrow + self.cross_attn(narrow, placed, masks)))
        return result


class Aggregator(nn.Module):
    """Several rounds over the same windows.

    Args:
        query_width: width of the queries.
        width: width of context and tower features.
        window_sides: side of a window in tokens, per tower.
        depth: number of rounds.
    """

    def __init__(self, query_width: int, width: int, window_sides: Sequence[int], depth: int = 1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(AggregatorLayer(query_width, width, window_sides) for _ in range(depth))

    def forward(self, queries: Tensor, context: Tensor, features: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """Queries (n, 1, query width) after all rounds."""
        for layer in self.layers:
            queries = layer(queries, context, features, masks)
        return queries
