"""Who may use the model now: a lock that is given in the order in which it was asked for."""

import threading
from collections import deque
from typing import Any


class Turns:
    """A lock for threads that take it again and again.

    `threading.Lock` goes to whoever comes first, and that is the thread that has just released it:
    one that works in a loop would keep all others waiting.
    """

    def __init__(self) -> None:
        self._inner = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def __enter__(self) -> None:
        """Wait for the turn."""
        with self._inner:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()

    def __exit__(self, *_: Any) -> None:
        """Hand it to the one who waits longest."""
        with self._inner:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False

    def pass_on(self) -> None:
        """Let those who wait have their turns, then go on. By whoever has the turn."""
        self.__exit__()
        self.__enter__()
