"""Waiting without a thread of its own, so that one thread serves many requests.

A bot whose `generate` would block until something happens elsewhere may yield a `Pause` instead.
Where hundreds of requests stream at once, waking a thread of its own for each token of each costs
more than all else that is done for the token, and such threads keep the event loop from running.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

TICK = 0.015
"""Seconds between two moments at which a `Clock` resumes: all that is due meanwhile shares one.
Less than a person sees; each moment costs as much as many tokens do."""

T = TypeVar("T")

Resume = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Pause:
    """There is nothing to say until `resume` is called, which `arm(resume)` arranges.

    It is called once, from any thread, perhaps before `arm` returns. The request goes on inside
    that call until it pauses again, so the thread that calls must have the time for it.
    """

    arm: Callable[[Resume], None]

    def wait(self) -> None:
        """Block until it is worth going on."""
        ready = threading.Event()
        self.arm(ready.set)
        ready.wait()


def waited(items: Iterator[T | Pause]) -> Generator[T, None, None]:
    """The items, waiting in this thread at each pause. Closing it closes `items`."""
    try:
        for item in items:
            if isinstance(item, Pause):
                item.wait()
            else:
                yield item
    finally:
        if isinstance(items, Generator):
            items.close()


class Mailbox(Generic[T]):
    """From the thread that makes items to whoever reads them, and goes on in that thread if it is
    paused: on a CPU, waking another thread for each token takes time from the decoding."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there: deque[T] = deque()
        self._resume: Resume | None = None

    def put(self, item: T) -> None:
        """Add an item, and let the reader go on. From any thread."""
        with self._lock:
            self._there.append(item)
            resume, self._resume = self._resume, None
        if resume:
            resume()

    def read(self) -> Generator[T | Pause, None, None]:
        """The items as they come, without end, and a pause wherever there is none."""
        while True:
            if self._there:
                yield self._there.popleft()
            else:
                yield Pause(self._arm)

    def _arm(self, resume: Resume) -> None:
        with self._lock:
            if not self._there:
                self._resume = resume
                return
        resume()


class Clock:
    """Resumes at given times, in one thread for all, which lives from the first pause on."""

    def __init__(self) -> None:
        self._due: dict[int, list[Resume]] = {}
        """What is to be resumed, by the tick."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def pause(self, until: float) -> Pause:
        """A pause until a time of the monotonic clock, or up to a tick longer."""
        return Pause(partial(self._at, math.ceil(until / TICK)))

    def close(self) -> None:
        """End the thread; who still waits is resumed at once."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def _at(self, tick: int, resume: Resume) -> None:
        with self._changed:
            if not self._closed:
                earliest = not self._due or tick < min(self._due)
                self._due.setdefault(tick, []).append(resume)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
                    self._thread.start()
                elif earliest:
                    self._changed.notify()
                return
        resume()

    def _run(self) -> None:
        while (due := self._next()) is not None:
            for resume in due:
                resume()

    def _next(self) -> list[Resume] | None:
        """What is due, once something is; None is the end."""
        with self._changed:
            while True:
                tick = min(self._due, default=None)
                if tick is None and self._closed:
                    return None
                left = None if tick is None else tick * TICK - time.monotonic()
                if tick is not None and left is not None and (left <= 0 or self._closed):
                    return self._due.pop(tick)
                self._changed.wait(left)
