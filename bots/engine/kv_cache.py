"""KV caches: of one sequence alone, and of many sequences as the rows of one bucket.

A sequence begins with its own cache, which its prompt fills chunk by chunk. Once it decodes
one token per step it moves into a bucket with others of similar length, so that one attention call
serves all of them; `kv_buckets` chooses which. Depends on tensors alone: no models, no requests.
"""

from collections.abc import Sequence
from contextlib import suppress

import torch

GROWTH_STEP = 64
"""Tokens to which the capacity of a growing cache is rounded up.

A larger step copies short caches less often and leaves more of their memory unused. 64 is the
capacity of the smallest bucket; it was chosen, not tuned.
"""


def max_rows(members: int) -> int:
    """The most rows that a bucket of `members` sequences keeps: a quarter more than it needs.

    The spare rows make joining cheap: the bucket is copied once per quarter of growth and not for
    each new member. The scheduler's memory estimate contains the same quarter.
    """
    return members + members // 4


class KVCache:
    """Keys and values of one sequence: per layer [key-value heads, capacity, head size].

    Invariants:
    - `length` counts committed tokens. A forward pass writes behind them, and `commit` counts what
      it wrote once all layers are done. A pass that failed can be run again: it writes to the same
      positions.
    - While `bucket` is set, this cache has no tensors: they are the row `row` of the bucket.
    """

    def __init__(self, layers: int, capacity: int = 0) -> None:
        self.length = 0
        self.capacity = capacity
        self.bucket: KVBucket | None = None
        self.row = 0
        self._layers = layers
        self._keys: list[torch.Tensor | None] = [None] * layers
        self._values: list[torch.Tensor | None] = [None] * layers

    def append(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write `keys` and `values` [heads, new, size] behind the committed tokens.

        Returns keys and values [heads, length + new, size] of all tokens: views that are valid
        until the next call.
        """
        end = self.length + keys.shape[1]
        return (
            self._write(self._keys, layer, keys, end),
            self._write(self._values, layer, values, end),
        )

    def _write(
        self, tensors: list[torch.Tensor | None], layer: int, new: torch.Tensor, end: int
    ) -> torch.Tensor:
        tensor = tensors[layer]
        if tensor is None or tensor.shape[1] < end:
            # A quarter more than needed: a token is then copied four times on average while its
            # sequence grows, whatever its length, and at most a fifth of the memory lies idle.
            needed = -(-(end + end // 4) // GROWTH_STEP) * GROWTH_STEP
            self.capacity = max(self.capacity, needed)
            grown = new.new_empty(new.shape[0], self.capacity, new.shape[2])
            if tensor is not None:
                grown[:, : self.length] = tensor[:, : self.length]
            tensor = tensors[layer] = grown
        tensor[:, self.length : end] = new
        return tensor[:, :end]

    def commit(self, count: int) -> None:
        """Count the newest `count` tokens, which all layers have written."""
        self.length += count

    def copy(self, length: int, capacity: int) -> "KVCache":
        """A separate cache with the first `length` tokens and room for `capacity`."""
        cache = KVCache(self._layers, capacity)
        for tensors, copies in zip(self.tensors(), cache.tensors(), strict=True):
            for layer, tensor in enumerate(tensors):
                assert tensor is not None
                size = max(capacity, length)
                copies[layer] = copy = tensor.new_empty(tensor.shape[0], size, tensor.shape[2])
                copy[:, :length] = tensor[:, :length]
        cache.length = length
        return cache

    def tensors(self) -> tuple[list[torch.Tensor | None], list[torch.Tensor | None]]:
        """The cache's own keys and its own values, by layer."""
        return self._keys, self._values

    def set_tensors(
        self, keys: Sequence[torch.Tensor | None], values: Sequence[torch.Tensor | None]
    ) -> None:
        """Replace the cache's own keys and values, by layer."""
        self._keys, self._values = list(keys), list(values)
        self.capacity = 0 if keys[0] is None else keys[0].shape[1]

    @property
    def complete(self) -> bool:
        """Whether every layer has written keys."""
        return all(keys is not None for keys in self._keys)

    @property
    def nbytes(self) -> int:
        """Bytes of the cache's own tensors, spare capacity included; 0 while in a bucket."""
        return _nbytes(self._keys, self._values)


class KVBucket:
    """KV caches of similar length: per layer [rows, key-value heads, capacity, head size].

    Invariants:
    - The members have the rows 0 to len(members) - 1, in the order of `members`; spare rows follow.
      One slice of the tensors is thus the batch of an attention call.
    - Memory is zeroed when it is allocated. Positions behind a member's length are masked, but a
      masked value still enters the product, where NaN times zero would be NaN.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.members: list[KVCache] = []
        self._keys: list[torch.Tensor | None] = []
        self._values: list[torch.Tensor | None] = []

    def add(self, cache: KVCache) -> None:
        """Copy a sequence into the next row and drop its own tensors.

        Where memory runs out in between, the cache still has its own tensors and is no member; some
        layers have more rows than others then, which the next `add` makes up for.
        """
        row = len(self.members)
        for batches, tensors in zip(self._tensors(), cache.tensors(), strict=True):
            batches.extend([None] * (len(tensors) - len(batches)))
            for layer, tensor in enumerate(tensors):
                assert tensor is not None
                batch = batches[layer]
                if batch is None or len(batch) == row:
                    # Layer by layer, so that only one layer at a time is in memory twice.
                    rows = max(row + 1, max_rows(row))
                    batch = batches[layer] = self._resized(rows, batch, tensor)
                batch[row, :, : cache.length] = tensor[:, : cache.length]
        nothing = [None] * len(self._keys)
        cache.set_tensors(nothing, nothing)
        cache.bucket, cache.row = self, row
        self.members.append(cache)

    def _resized(self, rows: int, batch: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
        """A copy of `batch` with `rows` rows; `like` [heads, ·, size] is one row."""
        resized = like.new_zeros(rows, like.shape[0], self.capacity, like.shape[-1])
        if batch is not None:
            kept = min(rows, len(batch))
            resized[:kept] = batch[:kept]
        return resized

    def detach(self, cache: KVCache) -> None:
        """Copy a member's keys and values into tensors of its own, and remove it."""
        row, length = cache.row, cache.length
        keys, values = (
            [None if batch is None else batch[row, :, :length].clone() for batch in batches]
            for batches in self._tensors()
        )
        self.remove(cache)
        cache.set_tensors(keys, values)

    def remove(self, cache: KVCache) -> None:
        """Free a member's row; the last member moves into it, so that no gap remains."""
        last = self.members.pop()
        if last is not cache:
            for batch in self._keys + self._values:
                assert batch is not None
                batch[cache.row, :, : last.length] = batch[last.row, :, : last.length]
            self.members[cache.row] = last
            last.row = cache.row
        cache.bucket = None
        if not self.members:
            self._keys, self._values = [], []
            return
        # Shrinking allocates the smaller copy first. Where even that fails, the rows stay.
        with suppress(RuntimeError):
            self._shrink()

    def _shrink(self) -> None:
        """Free spare rows beyond `max_rows`."""
        count = len(self.members)
        for batches in self._tensors():
            for layer, batch in enumerate(batches):
                if batch is not None and len(batch) > max_rows(count):
                    batches[layer] = self._resized(count, batch, batch[0])

    def _tensors(self) -> tuple[list[torch.Tensor | None], list[torch.Tensor | None]]:
        return self._keys, self._values

    def append(
        self,
        layer: int,
        keys: torch.Tensor,
        values: torch.Tensor,
        rows: torch.Tensor,
        at: torch.Tensor,
        longest: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one token per member: `keys` and `values` [rows, heads, size] at `at` [rows].

        `rows` is arange(number of members). Returns the first `longest` positions of all members,
        two views [rows, heads, longest, size].
        """
        all_keys, all_values = self._keys[layer], self._values[layer]
        assert all_keys is not None
        assert all_values is not None
        all_keys[rows, :, at] = keys
        all_values[rows, :, at] = values
        count = len(rows)
        return all_keys[:count, :, :longest], all_values[:count, :, :longest]

    @property
    def nbytes(self) -> int:
        """Bytes of all rows, spare ones included."""
        return _nbytes(self._keys, self._values)


def _nbytes(*tensors: Sequence[torch.Tensor | None]) -> int:
    allocated = (tensor for layers in tensors for tensor in layers if tensor is not None)
    return sum(tensor.numel() * tensor.element_size() for tensor in allocated)
