"""Attention of sequences laid end to end, each over keys and values of its own.

Knows tensors; knows no model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch.nn.functional import scaled_dot_product_attention

from bots.engine.kv_cache import KVCache, KVStack


@dataclass(slots=True)
class Part:
    """A sequence's part of a pass: `ids` [new] after what `cache` holds, and how many of the last
    positions' logits are wanted.

    One whose cache is in a stack has one id, and all of the stack are in the same pass.
    """

    cache: KVCache
    ids: torch.Tensor
    keep: int = 1


@dataclass(frozen=True, slots=True)
class Scores:
    """How scores are made: times `scaling`; `window` is how many tokens back one sees, `slopes`
    [heads] what is added for each position of a key (ALiBi)."""

    scaling: float | None = None
    window: int | None = None
    slopes: torch.Tensor | None = None


class Alone:
    """A part of a pass that is at the rows `at`, and whose cache is its own."""

    def __init__(self, cache: KVCache, at: slice) -> None:
        self.at = at
        self._cache = cache
        self._biases: dict[tuple[int | None, torch.device], torch.Tensor | None] = {}

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: Scores
    ) -> torch.Tensor:
        """`query` [heads, new, size], `key` and `value` [key-value heads, new, size] →
        [new, heads, size]."""
        keys, values = self._cache.append(layer, key, value)
        heads, new, size = query.shape
        if new > 1:
            bias = self._bias(query, how)
            found = scaled_dot_product_attention(
                query[None],
                keys[None],
                values[None],
                attn_mask=bias,
                is_causal=bias is None,
                scale=how.scaling,
                enable_gqa=keys.shape[0] != heads,
            )
            return found[0].transpose(0, 1)
        if how.window is not None:
            keys, values = keys[:, -how.window :], values[:, -how.window :]
        # The heads of a group are the rows of one product.
        groups = query.view(1, keys.shape[0], -1, size)
        bias = None
        if how.slopes is not None:
            bias = _alibi(how.slopes, keys.shape[1], query).view(*groups.shape[:3], -1)
        found = scaled_dot_product_attention(
            groups, keys[None], values[None], attn_mask=bias, scale=how.scaling
        )
        return found.reshape(1, heads, values.shape[-1])

    def _bias(self, query: torch.Tensor, how: Scores) -> torch.Tensor | None:
        """What is added to the scores, where a causal flag does not tell it all."""
        which = (how.window, query.device)
        if which not in self._biases:
            self._biases[which] = self._made(query, how)
        return self._biases[which]

    def _made(self, query: torch.Tensor, how: Scores) -> torch.Tensor | None:
        past, new, window = self._cache.length, query.shape[1], how.window
        if how.slopes is None and past == 0 and (window is None or new <= window):
            return None
        seen = torch.ones(new, past + new, dtype=torch.bool, device=query.device).tril(past)
        if window is not None:
            seen = seen.triu(past - window + 1)
        if how.slopes is None:
            return seen
        return _alibi(how.slopes, past + new, query)[None, :, None].masked_fill(~seen, -torch.inf)


class Together:
    """One token of each member of a stack, at the rows `at` of a pass."""

    def __init__(self, stack: KVStack, at: slice) -> None:
        self.at = at
        self._stack = stack
        self._lengths = [cache.length for cache in stack.members]
        self._longest = max(self._lengths) + 1
        self._rows: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = {}
        self._biases: dict[tuple[int | None, torch.device], torch.Tensor | None] = {}

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: Scores
    ) -> torch.Tensor:
        """`query` [heads, rows, size], `key` and `value` [key-value heads, rows, size] →
        [rows, heads, size]."""
        device = query.device
        if device not in self._rows:
            at = torch.tensor(self._lengths).to(device)
            self._rows[device] = torch.arange(len(self._lengths), device=device), at
        rows, at = self._rows[device]
        keys, values = self._stack.append(
            layer, key.transpose(0, 1), value.transpose(0, 1), rows, at, self._longest
        )
        groups = query.transpose(0, 1).reshape(len(rows), key.shape[0], -1, query.shape[-1])
        which = (how.window, device)
        if which not in self._biases:
            self._biases[which] = self._made(groups, at, how)
        found = scaled_dot_product_attention(
            groups, keys, values, attn_mask=self._biases[which], scale=how.scaling
        )
        return found.reshape(len(rows), query.shape[0], -1)

    def _made(self, groups: torch.Tensor, at: torch.Tensor, how: Scores) -> torch.Tensor | None:
        longest, window = self._longest, how.window
        same = min(self._lengths) + 1 == longest and (window is None or longest <= window)
        if same and how.slopes is None:
            return None
        key = torch.arange(longest, device=at.device)
        hidden = key > at[:, None]
        if window is not None:
            hidden |= key <= at[:, None] - window
        bias = groups.new_zeros(1, 1, 1, longest)
        if how.slopes is not None:
            bias = _alibi(how.slopes, longest, groups).view(1, *groups.shape[1:3], longest)
        return bias.masked_fill(hidden[:, None, None], -torch.inf)


class Pass:
    """Parts in the order in which they are laid end to end: those of a stack one after another."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = sorted(parts, key=_place)
        self._pieces = list(self._cut())

    def _cut(self) -> Iterator[Alone | Together]:
        start = 0
        for (alone, _, _), found in groupby(self.parts, key=_place_of_all):
            some = list(found)
            if not alone:
                stack = some[0].cache.stack
                assert stack is not None
                assert [part.cache for part in some] == stack.members
                yield Together(stack, slice(start, start + len(some)))
                start += len(some)
                continue
            for part in some:
                yield Alone(part.cache, slice(start, start + len(part.ids)))
                start += len(part.ids)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: Scores
    ) -> torch.Tensor:
        """Put keys and values into the parts' caches, and attend to all there are.

        `query` [heads, new, size], `key` and `value` [key-value heads, new, size] of all parts;
        gives [new, heads, size].
        """
        found = [
            piece.attend(layer, query[:, piece.at], key[:, piece.at], value[:, piece.at], how)
            for piece in self._pieces
        ]
        return found[0] if len(found) == 1 else torch.cat(found)


def _place_of_all(part: Part) -> tuple[bool, int, int]:
    """The same for all parts of a stack."""
    return part.cache.stack is None, part.cache.stack.room if part.cache.stack else 0, 0


def _place(part: Part) -> tuple[bool, int, int]:
    return (*_place_of_all(part)[:2], part.cache.row)


def _alibi(slopes: torch.Tensor, length: int, like: torch.Tensor) -> torch.Tensor:
    """[heads, length]; only differences count, so positions may begin anywhere."""
    return (slopes[:, None] * torch.arange(length, device=slopes.device)).to(like.dtype)
