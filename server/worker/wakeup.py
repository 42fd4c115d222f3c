"""Wake-ups of readers on the event loop, requested by decoding threads."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

INTERVAL_SECONDS = 0.015
"""Time between two rounds of wake-ups. Waking the loop from a thread is a system call and costs
more than everything else that the worker does for a token, so the tokens that all requests decode
within one interval share one wake-up. At 15 ms the delay is below what a person notices, and at
most 67 rounds a second run however many requests stream."""


def call_in_loop(
    loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: Any
) -> None:
    """Call a function on the event loop. Callable from any thread; does nothing after shutdown."""
    # A decoding thread may outlive the loop at shutdown. Then there is no reader left either.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


class WakeUp:
    """Wakes readers in rounds: the first request for a wake-up starts a round, and while requests
    keep coming, each round schedules the next one after `interval` seconds.

    Invariant: after `request(wake)` returns, a round that will call `wake` is running, scheduled,
    or being scheduled. It holds without a lock, because each side writes before it reads what the
    other side writes:

    - A thread appends to `_pending`, then reads `_rounds_active`. If that is false, it starts a
      round. If it is true, the loop has not yet cleared it, and its later look at `_pending` finds
      the entry.
    - The loop finds `_pending` empty, clears `_rounds_active`, then looks at `_pending` again. An
      entry appended between the two looks may come from a thread that saw `_rounds_active` still
      true and started nothing; the second look is what finds it.

    Two rounds may be requested for one entry; the second finds nothing to do. Appending to and
    popping from a deque, and assigning a bool, are atomic in CPython.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float = INTERVAL_SECONDS) -> None:
        self._loop = loop
        self._interval = interval
        self._pending: deque[Callable[[], None]] = deque()
        self._rounds_active = False
        self._next_round: asyncio.TimerHandle | None = None

    def request(self, wake: Callable[[], None], at_once: bool) -> None:
        """Have `wake()` called on the loop, at once or in the next round. From any thread."""
        self._pending.append(wake)
        if at_once or not self._rounds_active:
            self._rounds_active = True
            call_in_loop(self._loop, self._run_round)

    def _run_round(self) -> None:
        if self._next_round is not None:
            self._next_round.cancel()  # this round may be one requested before the next was due
            self._next_round = None
        if not self._pending:
            self._rounds_active = False
            if not self._pending:  # the second look, see the invariant
                return
            self._rounds_active = True
        while self._pending:
            self._pending.popleft()()
        self._next_round = self._loop.call_later(self._interval, self._run_round)
