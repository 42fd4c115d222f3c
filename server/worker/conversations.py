"""Conversations that the worker remembers for clients that send only a `uid` (EduChat, MOSS).

In memory only, bounded in number and in age; the least recently used one is dropped first.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from cachetools import TTLCache

Pair = tuple[str, str]
"""A question and its answer."""


class Conversations:
    """Question and answer pairs by uid. Used on the event loop only."""

    def __init__(self, limit: int, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`limit`: conversations kept; `ttl`: seconds that one is kept after its last answer."""
        self._pairs: TTLCache[str, list[Pair], float] = TTLCache(limit, ttl, clock)
        # A lock lives as long as a turn that holds it or waits for it, so locks need no bound.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, uid: str | None) -> AsyncIterator[tuple[str, list[Pair]]]:
        """Like `open`, while no other turn of the same conversation runs.

        Otherwise two questions that arrive together would each be answered without the other, and
        the second answer would overwrite the first.
        """
        known = uid if uid is not None and uid in self._pairs else None
        lock = self._locks.setdefault(known, asyncio.Lock()) if known else asyncio.Lock()
        async with lock:
            yield self.open(uid)

    def open(self, uid: str | None) -> tuple[str, list[Pair]]:
        """The uid and a copy of its pairs; a new uid and no pairs if `uid` is None or unknown."""
        pairs = self._pairs.get(uid) if uid is not None else None
        if uid is None or pairs is None:
            return str(uuid.uuid4()), []
        return uid, list(pairs)

    def put(self, uid: str, pairs: list[Pair]) -> None:
        """Store the pairs of a conversation."""
        self._pairs[uid] = pairs

    def __len__(self) -> int:
        return len(self._pairs)
