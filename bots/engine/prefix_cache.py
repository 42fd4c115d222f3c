"""KV caches of finished sequences, reused by requests that start with the same tokens.

An entry is found by its token ids alone: no other part of a request influences keys and values.
"""

from collections import OrderedDict

import torch

from bots.engine.kv_cache import KVCache

MIN_PREFIX = 16
"""Tokens that a reused prefix must have. Computing fewer costs about as much as copying them."""


class PrefixCache:
    """At most `budget` bytes of finished sequences, evicted least recently used first.

    No entry is a prefix of another one: `insert` drops entries that the new one contains, and
    drops the new one where an entry contains it. Not thread-safe; the scheduler's thread owns it.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        # Ordered by last use, the oldest first: eviction takes from the front.
        self._entries: OrderedDict[int, tuple[torch.Tensor, KVCache]] = OrderedDict()
        self._next_key = 0
        self.nbytes = 0

    def lookup(self, ids: torch.Tensor, capacity: int) -> KVCache | None:
        """A copy of the longest cached prefix of `ids` [length], with room for `capacity` tokens.

        The last token is never part of it, because a forward pass over at least one token has to
        give the logits. Returns None where less than `MIN_PREFIX` tokens are cached. The search is
        linear in the entries: a budget holds a few dozen, and one comparison takes microseconds.
        """
        longest, longest_key = 0, -1
        for key, (known, _) in self._entries.items():
            if (common := _common_prefix(known, ids[:-1])) > longest:
                longest, longest_key = common, key
        if longest < MIN_PREFIX:
            return None
        self._entries.move_to_end(longest_key)
        return self._entries[longest_key][1].copy(longest, capacity)

    def insert(self, ids: torch.Tensor, cache: KVCache) -> None:
        """Keep the cache of a finished sequence; `ids` [cache.length] are the tokens it holds."""
        if cache.length < MIN_PREFIX or cache.nbytes > self._budget:
            return
        for key, (known, _) in list(self._entries.items()):
            common = _common_prefix(known, ids)
            if common == len(ids):
                self._entries.move_to_end(key)
                return
            if common == len(known):
                self._drop(key)
        self._entries[self._next_key] = (ids.clone(), cache)
        self._next_key += 1
        self.nbytes += cache.nbytes
        self.shrink(self._budget)

    def shrink(self, budget: int) -> None:
        """Evict the least recently used entries until at most `budget` bytes are held."""
        while self.nbytes > max(budget, 0) and self._entries:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: int) -> None:
        _, cache = self._entries.pop(key)
        self.nbytes -= cache.nbytes


def _common_prefix(first: torch.Tensor, second: torch.Tensor) -> int:
    """Number of equal tokens at the start of both."""
    size = min(len(first), len(second))
    differs = (first[:size] != second[:size]).nonzero()
    return int(differs[0]) if len(differs) else size
