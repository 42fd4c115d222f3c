"""Keys and values: of a sequence by itself, and of many sequences side by side.

A sequence begins with a cache of its own, into which its prompt goes. Once it gets one token at a
time it moves into a stack of others about as long as it is, so that one operation serves all of
them. Knows tensors; knows no model.
"""

from collections.abc import Sequence
from contextlib import suppress

import torch

_PAGE = 64
"""Room of a cache of its own grows by a quarter, rounded up to this many tokens."""

_SMALLEST, _LARGEST = 64, 1024
"""Room of stacks, in tokens; each is twice the one before. What is longer stays by itself: its
attention takes much longer than an operation costs, and padding it would waste memory."""


def room_for(tokens: int) -> int:
    """Room that a sequence of so many tokens has in the end."""
    if tokens > _LARGEST:
        return tokens
    return max(_SMALLEST, 1 << (tokens - 1).bit_length())


def rows_for(members: int) -> int:
    """The most rows that a stack of so many members keeps."""
    return members + members // 4


class KVCache:
    """Keys and values of one sequence: for each layer [key-value heads, room, head size].

    `length` tokens are in. What a pass appends counts only after `commit`, so that one that
    failed can be done again. While it is in a `stack`, they are that one's, in its `row`.
    """

    def __init__(self, layers: int, room: int = 0) -> None:
        self.length = 0
        self.room = room
        self.stack: KVStack | None = None
        self.row = 0
        self._layers = layers
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
        made = KVCache(self._layers, room)
        for mine, theirs in zip(self.tensors(), made.tensors(), strict=True):
            for layer, held in enumerate(mine):
                assert held is not None
                size = max(room, length)
                theirs[layer] = copied = held.new_empty(held.shape[0], size, held.shape[2])
                copied[:, :length] = held[:, :length]
        made.length = length
        return made

    def tensors(self) -> tuple[list[torch.Tensor | None], list[torch.Tensor | None]]:
        """Its own keys and values, by layer."""
        return self._keys, self._values

    def hold(
        self, keys: Sequence[torch.Tensor | None], values: Sequence[torch.Tensor | None]
    ) -> None:
        """Have these for its own, in place of those it has."""
        self._keys, self._values = list(keys), list(values)
        self.room = 0 if keys[0] is None else keys[0].shape[1]

    @property
    def complete(self) -> bool:
        """Whether every layer has keys of its own."""
        return all(one is not None for one in self._keys)

    @property
    def nbytes(self) -> int:
        """Memory of its own, room included; nothing while it is in a stack."""
        return _nbytes(self._keys, self._values)


class KVStack:
    """Keys and values of `members`: for each layer [rows, key-value heads, room, head size].

    The members have the first rows, in their order.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.members: list[KVCache] = []
        self._keys: list[torch.Tensor | None] = []
        self._values: list[torch.Tensor | None] = []

    def add(self, cache: KVCache) -> None:
        """Take a sequence in, whose own tensors are let go of."""
        row = len(self.members)
        for mine, theirs in zip(self._tensors(), cache.tensors(), strict=True):
            mine.extend([None] * (len(theirs) - len(mine)))
            for layer, held in enumerate(theirs):
                assert held is not None
                whole = mine[layer]
                if whole is None or len(whole) == row:
                    # One layer at a time, so that little is held twice.
                    whole = mine[layer] = self._of_rows(max(row + 1, rows_for(row)), whole, held)
                whole[row, :, : cache.length] = held[:, : cache.length]
        nothing = [None] * len(self._keys)
        cache.hold(nothing, nothing)
        cache.stack, cache.row = self, row
        self.members.append(cache)

    def _of_rows(self, count: int, whole: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
        """`whole` with `count` rows; `like` has the heads and the size of one."""
        # Zeros, for what is masked must be finite all the same.
        made = like.new_zeros(count, like.shape[0], self.room, like.shape[-1])
        if whole is not None:
            kept = min(count, len(whole))
            made[:kept] = whole[:kept]
        return made

    def take_out(self, cache: KVCache) -> None:
        """Give a member its keys and values back, in tensors of its own, and its row away."""
        row, length = cache.row, cache.length
        keys, values = (
            [None if whole is None else whole[row, :, :length].clone() for whole in mine]
            for mine in self._tensors()
        )
        self.remove(cache)
        cache.hold(keys, values)

    def remove(self, cache: KVCache) -> None:
        """Give a member's row away; the last one moves into it."""
        last = self.members.pop()
        if last is not cache:
            for whole in self._keys + self._values:
                assert whole is not None
                whole[cache.row, :, : last.length] = whole[last.row, :, : last.length]
            self.members[cache.row] = last
            last.row = cache.row
        cache.stack = None
        if not self.members:
            self._keys, self._values = [], []
            return
        with suppress(RuntimeError):  # no room to make it smaller: it stays as it is
            self._shrink()

    def _shrink(self) -> None:
        """Give free rows back where they are more than a stack keeps."""
        count = len(self.members)
        for mine in self._tensors():
            for layer, whole in enumerate(mine):
                if whole is not None and len(whole) > rows_for(count):
                    mine[layer] = self._of_rows(count, whole, whole[0])

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
        """Put one token of each member, `keys` and `values` [rows, heads, size], at the positions
        `at` [rows]; `rows` counts them.

        Returns the first `longest` of all rows, [rows, heads, longest, size].
        """
        mine, theirs = self._keys[layer], self._values[layer]
        assert mine is not None
        assert theirs is not None
        mine[rows, :, at] = keys
        theirs[rows, :, at] = values
        count = len(rows)
        return mine[:count, :, :longest], theirs[:count, :, :longest]

    @property
    def nbytes(self) -> int:
        """Memory that it holds, free rows included."""
        return _nbytes(self._keys, self._values)


class Stacks:
    """All stacks, by their room."""

    def __init__(self) -> None:
        self._by_room: dict[int, KVStack] = {}

    def place(self, cache: KVCache) -> None:
        """Put a sequence where its next token has room: a stack, or by itself when it is long."""
        room = room_for(cache.length + 1)
        if cache.stack is not None:
            if cache.stack.room == room:
                return
            cache.stack.take_out(cache)
        if room <= _LARGEST:
            self._by_room.setdefault(room, KVStack(room)).add(cache)

    @property
    def nbytes(self) -> int:
        """Memory that they hold."""
        return sum(stack.nbytes for stack in [*self._by_room.values()])


def _nbytes(*tensors: Sequence[torch.Tensor | None]) -> int:
    held = (one for some in tensors for one in some if one is not None)
    return sum(one.numel() * one.element_size() for one in held)
