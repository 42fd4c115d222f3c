"""Attention over a ragged batch: chunks of many sequences in one row, each with its own KV cache.

The new tokens of all chunks lie end to end without padding. Chunks of prompts get one attention
call each; the single tokens of decoding sequences get one call per KV bucket, in which positions
behind the shorter ones are masked. Depends on tensors alone: no models, no requests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch.nn.functional import scaled_dot_product_attention

from bots.engine.kv_cache import KVBucket, KVCache


@dataclass(slots=True)
class Chunk:
    """The tokens of one sequence that a forward pass computes.

    `ids` [new] follow the tokens in `cache`; the logits of the last `keep` of them are returned. A
    chunk whose cache is in a bucket has one id, and all members of the bucket are in the same pass.
    """

    cache: KVCache
    ids: torch.Tensor
    keep: int = 1


@dataclass(frozen=True, slots=True)
class AttentionOptions:
    """How attention scores are computed.

    They are multiplied by `scaling` (None: 1 / √head size). `window` is how many tokens back a
    token attends to, itself included; None is all. `alibi_slopes` [heads] are added per position of
    a key (ALiBi, https://arxiv.org/abs/2108.12409).
    """

    scaling: float | None = None
    window: int | None = None
    alibi_slopes: torch.Tensor | None = None


BiasCache = dict[tuple[int | None, torch.device], torch.Tensor | None]
"""Biases of one pass by window and device: they are equal in all layers that have the same window.
Layers of one model share their ALiBi slopes, so these are not part of the key."""


class SingleAttention:
    """Attention of one chunk over its own cache; `rows` are its tokens in the ragged batch."""

    def __init__(self, cache: KVCache, rows: slice) -> None:
        self.rows = rows
        self._cache = cache
        self._biases: BiasCache = {}

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        options: AttentionOptions,
    ) -> torch.Tensor:
        """`query` [heads, new, size], `key` and `value` [key-value heads, new, size] →
        [new, heads, size]."""
        keys, values = self._cache.append(layer, key, value)
        heads, new, size = query.shape
        if new > 1:
            bias = self._bias(query, options)
            output = scaled_dot_product_attention(
                query[None],
                keys[None],
                values[None],
                attn_mask=bias,
                is_causal=bias is None,
                scale=options.scaling,
                enable_gqa=keys.shape[0] != heads,
            )
            return output[0].transpose(0, 1)
        # One token attends to all keys that remain, so it needs no mask but cut views.
        if options.window is not None:
            keys, values = keys[:, -options.window :], values[:, -options.window :]
        # The query heads of a group share their keys: they become the rows of one product, so
        # that keys and values need not be repeated.
        groups = query.view(1, keys.shape[0], -1, size)
        bias = None
        if options.alibi_slopes is not None:
            bias = _alibi(options.alibi_slopes, keys.shape[1], query).view(*groups.shape[:3], -1)
        output = scaled_dot_product_attention(
            groups, keys[None], values[None], attn_mask=bias, scale=options.scaling
        )
        return output.reshape(1, heads, values.shape[-1])

    def _bias(self, query: torch.Tensor, options: AttentionOptions) -> torch.Tensor | None:
        """The mask or bias of a chunk, None where a plain causal mask is enough."""
        which = (options.window, query.device)
        if which not in self._biases:
            self._biases[which] = self._new_bias(query, options)
        return self._biases[which]

    def _new_bias(self, query: torch.Tensor, options: AttentionOptions) -> torch.Tensor | None:
        past, new, window = self._cache.length, query.shape[1], options.window
        slopes = options.alibi_slopes
        # `is_causal` aligns its triangle with the first key, so it is right without a past only.
        if slopes is None and past == 0 and (window is None or new <= window):
            return None
        seen = torch.ones(new, past + new, dtype=torch.bool, device=query.device).tril(past)
        if window is not None:
            seen = seen.triu(past - window + 1)
        if slopes is None:
            return seen
        return _alibi(slopes, past + new, query)[None, :, None].masked_fill(~seen, -torch.inf)


class BatchedAttention:
    """Attention of one token per member of a bucket; `rows` are these tokens in the batch."""

    def __init__(self, bucket: KVBucket, rows: slice) -> None:
        self.rows = rows
        self._bucket = bucket
        self._lengths = [cache.length for cache in bucket.members]
        self._longest = max(self._lengths) + 1
        # Indices by device: a model may be spread, and all layers of a device use the same.
        self._indices: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = {}
        self._biases: BiasCache = {}

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        options: AttentionOptions,
    ) -> torch.Tensor:
        """`query` [heads, rows, size], `key` and `value` [key-value heads, rows, size] →
        [rows, heads, size]."""
        device = query.device
        if device not in self._indices:
            at = torch.tensor(self._lengths).to(device)
            self._indices[device] = torch.arange(len(self._lengths), device=device), at
        rows, at = self._indices[device]
        keys, values = self._bucket.append(
            layer, key.transpose(0, 1), value.transpose(0, 1), rows, at, self._longest
        )
        groups = query.transpose(0, 1).reshape(len(rows), key.shape[0], -1, query.shape[-1])
        which = (options.window, device)
        if which not in self._biases:
            self._biases[which] = self._new_bias(groups, at, options)
        output = scaled_dot_product_attention(
            groups, keys, values, attn_mask=self._biases[which], scale=options.scaling
        )
        return output.reshape(len(rows), query.shape[0], -1)

    def _new_bias(
        self, groups: torch.Tensor, at: torch.Tensor, options: AttentionOptions
    ) -> torch.Tensor | None:
        """[rows, 1 or heads, 1 or group, longest]; None where nothing is to be masked or added."""
        longest, window, slopes = self._longest, options.window, options.alibi_slopes
        same = min(self._lengths) + 1 == longest and (window is None or longest <= window)
        if same and slopes is None:
            return None
        key = torch.arange(longest, device=at.device)
        hidden = key > at[:, None]
        if window is not None:
            hidden |= key <= at[:, None] - window
        bias = groups.new_zeros(1, 1, 1, longest)
        if slopes is not None:
            bias = _alibi(slopes, longest, groups).view(1, *groups.shape[1:3], longest)
        return bias.masked_fill(hidden[:, None, None], -torch.inf)


class RaggedBatch:
    """The chunks of one forward pass in the order in which they lie end to end.

    Invariant: the chunks of a bucket's members are neighbours, in the order of its rows, so that
    slices of the batch are the inputs of an attention call without any copying by index.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = sorted(chunks, key=_position)
        self._pieces = list(self._split())

    def _split(self) -> Iterator[SingleAttention | BatchedAttention]:
        start = 0
        for (single, _), group in groupby(self.chunks, key=_group):
            chunks = list(group)
            if not single:
                bucket = chunks[0].cache.bucket
                assert bucket is not None
                assert [chunk.cache for chunk in chunks] == bucket.members
                yield BatchedAttention(bucket, slice(start, start + len(chunks)))
                start += len(chunks)
                continue
            for chunk in chunks:
                yield SingleAttention(chunk.cache, slice(start, start + len(chunk.ids)))
                start += len(chunk.ids)

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        options: AttentionOptions,
    ) -> torch.Tensor:
        """Write keys and values to the caches of the chunks, and attend to all keys in them.

        `query` [heads, new, size], `key` and `value` [key-value heads, new, size], where new counts
        the tokens of all chunks → [new, heads, size].
        """
        outputs = [
            piece.attend(
                layer, query[:, piece.rows], key[:, piece.rows], value[:, piece.rows], options
            )
            for piece in self._pieces
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _group(chunk: Chunk) -> tuple[bool, int]:
    """Equal for all chunks of a bucket; buckets differ by capacity, and come first."""
    bucket = chunk.cache.bucket
    return bucket is None, bucket.capacity if bucket else 0


def _position(chunk: Chunk) -> tuple[bool, int, int]:
    """The sort key of a chunk: its bucket, then its row."""
    return (*_group(chunk), chunk.cache.row)


def _alibi(slopes: torch.Tensor, length: int, like: torch.Tensor) -> torch.Tensor:
    """ALiBi biases [heads, length]. Softmax ignores a shift, so positions may start at 0."""
    return (slopes[:, None] * torch.arange(length, device=slopes.device)).to(like.dtype)
