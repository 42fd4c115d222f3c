"""Keys and values of earlier sequences, kept so that what begins alike need not be computed again.

An entry is found by its token ids alone: nothing else of a request reaches the model's keys and
values. The one used longest ago goes first when memory is short.
"""

from collections import OrderedDict

import torch

from bots.engine.kv_cache import KVCache

LEAST = 16
"""A shorter common beginning is not worth its copy."""


class PrefixCache:
    """At most `budget` bytes of finished sequences. Not safe for threads: the engine's own."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._entries: OrderedDict[int, tuple[torch.Tensor, KVCache]] = OrderedDict()
        self._next = 0
        self.nbytes = 0

    def take(self, ids: torch.Tensor, room: int) -> KVCache | None:
        """A copy of what is known of the sequence `ids` [length], with room for `room` tokens.

        At least the last token is left to compute: its logits are wanted. None where too little
        is known.
        """
        best, found = 0, -1
        for key, (known, _) in self._entries.items():
            if (common := _common(known, ids[:-1])) > best:
                best, found = common, key
        if best < LEAST:
            return None
        self._entries.move_to_end(found)
        return self._entries[found][1].copy(best, room)

    def put(self, ids: torch.Tensor, cache: KVCache) -> None:
        """Keep a finished sequence: `ids` [cache.length] are the tokens that `cache` holds."""
        if cache.length < LEAST or cache.nbytes > self._budget:
            return
        for key, (known, _) in list(self._entries.items()):
            common = _common(known, ids)
            if common == len(ids):  # an entry has all of it
                self._entries.move_to_end(key)
                return
            if common == len(known):  # it has all of an entry
                self._drop(key)
        self._entries[self._next] = (ids.clone(), cache)
        self._next += 1
        self.nbytes += cache.nbytes
        self.shrink(self._budget)

    def shrink(self, budget: int) -> None:
        """Forget the entries used longest ago until no more than `budget` bytes are held."""
        while self.nbytes > max(budget, 0) and self._entries:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: int) -> None:
        _, cache = self._entries.pop(key)
        self.nbytes -= cache.nbytes


def _common(one: torch.Tensor, other: torch.Tensor) -> int:
    """Length of the common beginning."""
    size = min(len(one), len(other))
    differs = (one[:size] != other[:size]).nonzero()
    return int(differs[0]) if len(differs) else size
