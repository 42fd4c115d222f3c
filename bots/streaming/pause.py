"""Waiting inside `generate` without a thread per request.

A bot whose `generate` would block until something happens elsewhere may yield a `Pause` instead.
The request then continues in the thread that resumes it. With hundreds of streams, waking one
thread per request for each token costs more than everything else that is done for the token, and so
many threads keep the event loop from running.

| bot                                | thread that resumes its requests                            |
|------------------------------------|-------------------------------------------------------------|
| transformers, continuous batching  | the scheduler's thread, between two steps of the batch      |
| llama.cpp                          | the request's thread in `handle_completions`, at each chunk |
| echo                               | the one thread of its `PauseTimer`, when it is due          |
| all others                         | none: they do not pause, they block a thread each           |

llama.cpp decodes in threads of its own and calls back in the request's thread, which is blocked in
`handle_completions` until the answer ends.
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
"""Seconds between two moments at which a `PauseTimer` resumes requests.

All requests due within a tick are resumed together, because one wake-up costs as much as several
tokens, and a text that is 15 ms late looks the same.
"""

T = TypeVar("T")

Resume = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Pause:
    """A request has no output until its `Resume` callback is called.

    `arm(resume)` arranges that call. It comes exactly once, from any thread, perhaps before `arm`
    returns. The request runs inside the call until its next pause, so the calling thread must have
    time for it.
    """

    arm: Callable[[Resume], None]

    def wait(self) -> None:
        """Block this thread until the pause is over."""
        ready = threading.Event()
        self.arm(ready.set)
        ready.wait()


def wait_at_pauses(items: Iterator[T | Pause]) -> Generator[T, None, None]:
    """Yield the items without the pauses, blocking this thread at each. Closing it closes `items`.

    For callers that have a thread for the request anyway.
    """
    try:
        for item in items:
            if isinstance(item, Pause):
                item.wait()
            else:
                yield item
    finally:
        if isinstance(items, Generator):
            items.close()


class PausingQueue(Generic[T]):
    """An unbounded queue whose single reader pauses while it is empty.

    `put` resumes the paused reader in the thread that calls it: on a CPU, waking a second thread
    for each token would take time from the decoding.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: deque[T] = deque()
        self._resume: Resume | None = None
        """The callback of the paused reader. Invariant: None unless the queue is empty."""

    def put(self, item: T) -> None:
        """Add an item and, in this thread, resume the reader if it is paused."""
        with self._lock:
            self._items.append(item)
            resume, self._resume = self._resume, None
        # Outside the lock: the reader runs inside this call and may arm its next pause.
        if resume:
            resume()

    def read(self) -> Generator[T | Pause, None, None]:
        """Yield the items in order, without end, and a pause whenever there is none."""
        while True:
            if self._items:  # needs no lock: only this reader removes items
                yield self._items.popleft()
            else:
                yield Pause(self._arm)

    def _arm(self, resume: Resume) -> None:
        with self._lock:
            # An item may have come between the reader's look at the queue and this call.
            if not self._items:
                self._resume = resume
                return
        resume()


class PauseTimer:
    """Resumes requests at given times, in one thread that the first pause starts."""

    def __init__(self) -> None:
        self._due: dict[int, list[Resume]] = {}
        """Callbacks by the tick at which they are due."""
        self._changed = threading.Condition()
        """Notified when the thread has to look at `_due` or `_closed` earlier than planned."""
        self._thread: threading.Thread | None = None
        self._closed = False

    def pause(self, until: float) -> Pause:
        """A pause until this time of the monotonic clock, or up to one tick longer."""
        return Pause(partial(self._resume_at, math.ceil(until / TICK)))

    def close(self) -> None:
        """Resume all requests at once and end the thread. Later pauses end immediately."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def _resume_at(self, tick: int, resume: Resume) -> None:
        with self._changed:
            if not self._closed:
                earliest = not self._due or tick < min(self._due)
                self._due.setdefault(tick, []).append(resume)
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._run, name="pause timer", daemon=True
                    )
                    self._thread.start()
                elif earliest:  # otherwise the thread wakes up in time by itself
                    self._changed.notify()
                return
        resume()

    def _run(self) -> None:
        while (due := self._wait_for_due()) is not None:
            # Without the lock: a resumed request may ask for its next pause.
            for resume in due:
                resume()

    def _wait_for_due(self) -> list[Resume] | None:
        """The callbacks of the earliest tick, once it has come; None after `close`."""
        with self._changed:
            while True:
                tick = min(self._due, default=None)
                if tick is None and self._closed:
                    return None
                left = None if tick is None else tick * TICK - time.monotonic()
                if tick is not None and left is not None and (left <= 0 or self._closed):
                    return self._due.pop(tick)
                self._changed.wait(left)
