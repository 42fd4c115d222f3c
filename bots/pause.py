"""Waiting without a thread of its own, so that one thread serves many requests.

A bot whose `generate` would block until something happens elsewhere may yield a `Pause` instead.
Where hundreds of requests stream at once, waking a thread of its own for each token of each costs
more than all else that is done for the token, and such threads keep the event loop from running.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

TICK = 0.005
"""Seconds between two moments at which a `Clock` resumes: all that is due meanwhile shares one."""

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
