# mypy: allow-subclassing-any
"""The layers of ChatGLM-6B (v1): two-dimensional positions, attention, feed-forward, block."""

import math
from typing import Any

import torch
from torch import nn
from transformers import Cache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from bots.checkpoints.formats.chatglm.config import ChatGLMConfig

RESIDUAL = math.sqrt(2 * 28)
"""√(2·layers) of ChatGLM-6B. The original uses 28 layers here, however many a model has."""


def eager_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Eager attention: output [batch, time, heads, D], weights [batch, heads, time, keys].

    `attention_mask` is added to the scores. They are at least float32: ChatGLM's overflow float16.
    """
    wide = torch.promote_types(query.dtype, torch.float32)
    scores = (query.to(wide) * scaling) @ key.to(wide).mT
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(-1).to(value.dtype)
    return (weights @ value).transpose(1, 2), weights


class ChatGLMRotary(nn.Module):
    """Rotary position embedding in two dimensions: each position rotates half of a head."""

    inv_freq: torch.Tensor

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self._half = config.hidden_size // config.num_attention_heads // 2
        self.register_buffer("inv_freq", self.frequencies(), persistent=False)

    def frequencies(self) -> torch.Tensor:
        """The angles per position, [D/4], rounded to float16 as in the checkpoints."""
        powers = torch.arange(0, self._half, 2, dtype=torch.float32) / self._half
        return (1.0 / 10000**powers).half().float()

    def forward(
        self, position_ids: torch.Tensor, dtype: torch.dtype
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines [batch, time, 1, 2, D/2] of positions [batch, 2, time]."""
        angles = position_ids.mT[..., None].float() * self.inv_freq.float()
        angles = torch.cat((angles, angles), -1).unsqueeze(2)
        return angles.cos().to(dtype), angles.sin().to(dtype)


def _rotate(states: torch.Tensor, table: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotate queries or keys [batch, time, heads, D] by a table of `ChatGLMRotary`."""
    cos, sin = table
    halves = states.unflatten(-1, (2, -1))
    first, second = halves.chunk(2, dim=-1)
    return (halves * cos + torch.cat((-second, first), -1) * sin).flatten(-2)


class ChatGLMAttention(nn.Module):
    """Self-attention; the rows of `query_key_value` are q, k, v of head 0, of head 1, …"""

    is_causal = True

    def __init__(self, config: ChatGLMConfig, layer: int) -> None:
        super().__init__()
        self._config, self._layer = config, layer
        self._head = config.hidden_size // config.num_attention_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        states: torch.Tensor,
        mask: Any,
        table: tuple[torch.Tensor, torch.Tensor],
        cache: Cache | None,
    ) -> torch.Tensor:
        """Map [batch, time, hidden] to the same shape; add keys and values to the cache."""
        mixed = self.query_key_value(states).unflatten(-1, (-1, 3 * self._head))
        query, key, value = mixed.chunk(3, dim=-1)
        query, key = _rotate(query, table), _rotate(key, table)
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        if cache is not None:
            key, value = cache.update(key, value, self._layer)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            self._config._attn_implementation, eager_attention
        )
        out, _ = attend(self, query, key, value, mask, scaling=self._head**-0.5, dropout=0.0)
        return self.dense(out.flatten(-2))


class ChatGLMMLP(nn.Module):
    """Feed-forward network without a gate."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.inner_hidden_size)
        self.dense_4h_to_h = nn.Linear(config.inner_hidden_size, config.hidden_size)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map [batch, time, hidden] to the same shape."""
        inner = nn.functional.gelu(self.dense_h_to_4h(states), approximate="tanh")
        return self.dense_4h_to_h(inner)


class ChatGLMBlock(nn.Module):
    """One layer. Its residual is the normalized input times `RESIDUAL`."""

    def __init__(self, config: ChatGLMConfig, layer: int) -> None:
        super().__init__()
        size, epsilon = config.hidden_size, config.layernorm_epsilon
        self.input_layernorm = nn.LayerNorm(size, eps=epsilon)
        self.attention = ChatGLMAttention(config, layer)
        self.post_attention_layernorm = nn.LayerNorm(size, eps=epsilon)
        self.mlp = ChatGLMMLP(config)

    def forward(
        self,
        states: torch.Tensor,
        mask: Any,
        table: tuple[torch.Tensor, torch.Tensor],
        cache: Cache | None,
    ) -> torch.Tensor:
        """Map [batch, time, hidden] to the same shape."""
        states = self.input_layernorm(states)
        states = RESIDUAL * states + self.attention(states, mask, table, cache=cache)
        states = self.post_attention_layernorm(states)
        return RESIDUAL * states + self.mlp(states)
