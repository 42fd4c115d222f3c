"""Attention of sequences laid end to end, each over keys and values of its own.

Knows tensors; knows no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention

_PAGE = 64
"""Room for keys and values grows by a quarter, rounded up to this many tokens."""


class KVCache:
    """Keys and values of one sequence: for each layer [key-value heads, room, head size].

    `length` tokens are in. What a pass appends counts only after `commit`, so that one that
    failed can be done again.
    """

    def __init__(self, layers: int, room: int = 0) -> None:
        self.length = 0
        self.room = room
        self._keys: list[torch.Tensor | None] = [None] * layers
        self._values: list[torch.Tensor | None] = [None] * layers

    def append(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put `keys` and `values` [heads, new, size] after the tokens that are in.

        Returns those of all tokens, views that are valid until the next call.
        """
        end = self.length + keys.shape[1]
        return (
            self._put(self._keys, layer, keys, end),
            self._put(self._values, layer, values, end),
        )

    def _put(
        self, all_layers: list[torch.Tensor | None], layer: int, new: torch.Tensor, end: int
    ) -> torch.Tensor:
        held = all_layers[layer]
        if held is None or held.shape[1] < end:
            self.room = max(self.room, -(-(end + end // 4) // _PAGE) * _PAGE)
            grown = new.new_empty(new.shape[0], self.room, new.shape[2])
            if held is not None:
                grown[:, : self.length] = held[:, : self.length]
            held = all_layers[layer] = grown
        held[:, self.length : end] = new
        return held[:, :end]

    def commit(self, count: int) -> None:
        """Count the newest tokens, which went through all layers."""
        self.length += count

    def copy(self, length: int, room: int) -> "KVCache":
        """The first `length` tokens in a cache of their own, with room for `room`."""
        made = KVCache(len(self._keys), room)
        for mine, theirs in ((self._keys, made._keys), (self._values, made._values)):
            for layer, held in enumerate(mine):
                assert held is not None
                size = max(room, length)
                theirs[layer] = held.new_empty(held.shape[0], size, held.shape[2])
                theirs[layer][:, :length] = held[:, :length]  # type: ignore[index]
        made.length = length
        return made

    @property
    def complete(self) -> bool:
        """Whether every layer has keys."""
        return all(one is not None for one in self._keys)

    @property
    def nbytes(self) -> int:
        """Memory that it holds, room included."""
        held = (one for one in (*self._keys, *self._values) if one is not None)
        return sum(one.numel() * one.element_size() for one in held)


@dataclass(slots=True)
class Part:
    """A sequence's part of a pass: `ids` [new] after what `cache` holds, and how many of the last
    positions' logits are wanted."""

    cache: KVCache
    ids: torch.Tensor
    keep: int = 1
    start: int = 0
    end: int = 0

    def mask(
        self, window: int | None, device: torch.device, *, needed: bool = False
    ) -> torch.Tensor | None:
        """What each new token sees of all tokens, [new, all], where a causal flag cannot tell."""
        past, new = self.cache.length, self.end - self.start
        if not needed and past == 0 and (window is None or new <= window):
            return None
        seen = torch.ones(new, past + new, dtype=torch.bool, device=device)
        seen = seen.tril(past)
        return seen if window is None else seen.triu(past - window + 1)


def attend(
    layer: int,
    parts: Sequence[Part],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None = None,
    window: int | None = None,
    slopes: torch.Tensor | None = None,
) -> torch.Tensor:
    """Put keys and values into the parts' caches, and attend to all there are: [new, heads, size].

    `query` [heads, new, size], `key` and `value` [key-value heads, new, size] of all parts end to
    end. `window` is how many tokens back one sees, `slopes` [heads] what is added for each
    position of a key (ALiBi).
    """
    output = query.new_empty(query.shape[1], query.shape[0], value.shape[2])
    for part in parts:
        at = slice(part.start, part.end)
        keys, values = part.cache.append(layer, key[:, at], value[:, at])
        if part.end - part.start == 1:
            output[at] = _one(query[:, part.start], keys, values, scaling, window, slopes)
            continue
        mask = part.mask(window, query.device, needed=slopes is not None)
        if slopes is not None:
            assert mask is not None
            bias = _bias(slopes, keys.shape[1], query.dtype)[:, None]
            mask = bias.masked_fill(~mask, -torch.inf)[None]
        found = scaled_dot_product_attention(
            query[None, :, at],
            keys[None],
            values[None],
            attn_mask=mask,
            is_causal=mask is None,
            scale=scaling,
            enable_gqa=keys.shape[0] != query.shape[0],
        )
        output[at] = found[0].transpose(0, 1)
    return output


def _one(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    scaling: float | None,
    window: int | None,
    slopes: torch.Tensor | None,
) -> torch.Tensor:
    """Attention of one token, `query` [heads, size]; the heads of a group are its rows."""
    if window is not None:
        keys, values = keys[:, -window:], values[:, -window:]
    groups = query.view(keys.shape[0], -1, query.shape[-1])
    bias = None
    if slopes is not None:
        bias = _bias(slopes, keys.shape[1], query.dtype).view(1, *groups.shape[:2], -1)
    found = scaled_dot_product_attention(
        groups[None], keys[None], values[None], attn_mask=bias, scale=scaling
    )
    return found.reshape(query.shape[0], values.shape[-1])


def _bias(slopes: torch.Tensor, length: int, dtype: torch.dtype) -> torch.Tensor:
    """[heads, length]; only differences count, so positions may begin anywhere."""
    return (slopes[:, None] * torch.arange(length, device=slopes.device)).to(dtype)
