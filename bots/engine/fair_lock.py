"""A lock that is granted in the order in which threads asked for it.

The scheduler and the beam search share the model through one such lock.
"""

import threading
from collections import deque
from typing import Any


class FairLock:
    """First-come, first-served lock for threads that acquire it in a loop.

    `threading.Lock` is granted to any waiter or to the thread that has just released it. The
    scheduler releases and acquires once per step, so with a plain lock a beam search could starve.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Lock] = deque()
        self._held = False

    def __enter__(self) -> None:
        """Acquire the lock; block until all earlier callers have released it."""
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._queue.append(turn)
        turn.acquire()

    def __exit__(self, *_: Any) -> None:
        """Release the lock to the thread that has waited longest."""
        with self._guard:
            if self._queue:
                # `_held` stays true: ownership passes to the waiter, so that no other thread can
                # acquire the lock in between.
                self._queue.popleft().release()
            else:
                self._held = False

    def hand_over(self) -> None:
        """Release the lock to the next waiter and acquire it again; the caller must hold it."""
        self.__exit__()
        self.__enter__()

    @property
    def waiting(self) -> int:
        """Number of threads that wait for the lock."""
        return len(self._queue)
