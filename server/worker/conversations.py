"""Conversations that a worker remembers for callers who send only a `uid` (EduChat, MOSS).

Bounded in number and in age; the one not used for longest goes first. In memory only.
"""

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

Pair = tuple[str, str]


class Conversations:
    """Question and answer pairs by uid."""

    def __init__(self, limit: int, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`limit`: conversations kept; `ttl`: seconds one is kept after its last use."""
        self._limit = limit
        self._ttl = ttl
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, list[Pair]]] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, uid: str | None) -> AsyncIterator[tuple[str, list[Pair]]]:
        """`open`, with no other turn of the same conversation meanwhile."""
        known = uid if uid is not None and uid in self._kept else None
        lock = self._locks.setdefault(known, asyncio.Lock()) if known else asyncio.Lock()
        async with lock:
            yield self.open(uid)

    def open(self, uid: str | None) -> tuple[str, list[Pair]]:
        """The uid and its pairs so far; a missing or unknown uid begins a new conversation."""
        self._forget()
        if uid is not None and uid in self._kept:
            return uid, list(self._kept[uid][1])
        return str(uuid.uuid4()), []

    def put(self, uid: str, pairs: list[Pair]) -> None:
        """Remember a conversation as it is now."""
        self._kept.pop(uid, None)
        self._kept[uid] = (self._clock(), pairs)
        self._forget()

    def __len__(self) -> int:
        return len(self._kept)

    def _forget(self) -> None:
        oldest = self._clock() - self._ttl
        while self._kept:
            uid = next(iter(self._kept))
            if len(self._kept) <= self._limit and self._kept[uid][0] >= oldest:
                return
            del self._kept[uid]
