"""One request in the worker: events go in from decoding threads and come out on the event loop."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from bots.chatbot import Prepared
from bots.events import Delta, Done, Event, Replace
from server.http.errors import ApiError
from server.worker.timings import Timings
from server.worker.wakeup import WakeUp


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits; `position` 1 runs next."""

    position: int


TicketEvent = Event | Queued


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request: its id, and when it arrived in seconds of the monotonic clock."""

    id: str
    arrived: float = field(default_factory=time.monotonic)


class Ticket:
    """One request from the queue to its last event. Made by `Runner.submit`.

    `put`, `end` and `timings` may be used from the decoding thread, everything else on the event
    loop. A ticket refers to no runner: it gets the wake-up that it requests, and `on_release`,
    which `release` calls on the loop, perhaps more than once.
    """

    def __init__(
        self,
        call: Call,
        prepared: Prepared,
        wakeup: WakeUp,
        *,
        timeout: float,
        on_release: Callable[["Ticket"], None],
    ) -> None:
        self.id = call.id
        self.prepared = prepared
        self.stop = threading.Event()
        """Set to end the decoding; bots look at it once per step."""
        self.timings = Timings(call.arrived, time.monotonic())
        self.outcome: Done | BaseException | None = None
        self._wakeup = wakeup
        self._timeout = timeout
        self._on_release = on_release
        self._buffer: deque[TicketEvent | BaseException] = deque()
        self._wake_requested = False
        self._woken = False
        self._reader: asyncio.Future[None] | None = None

    # -- written by decoding threads -------------------------------------------------------------

    def put(self, item: TicketEvent | BaseException) -> None:
        """Add an event for the reader, or the exception that its iterator is to raise."""
        # Append first, then look at the flag. The reader clears the flag first and then takes the
        # buffer, so either it finds the item, or this thread finds the flag cleared and asks for
        # another wake-up.
        self._buffer.append(item)
        # The first token waits for no round of wake-ups, because the time to it is what a person
        # notices most (`gaps` is empty until the second token). Nor does any event without text,
        # such as start, end and errors: these are few, so waking up at once for them costs little.
        at_once = not self.timings.gaps or not isinstance(item, (Delta, Replace))
        if at_once or not self._wake_requested:
            self._wake_requested = True
            self._wakeup.request(self._wake, at_once)

    def end(self, outcome: Done | BaseException) -> Done | BaseException:
        """Record how the request ended, unless it has ended before. Returns `outcome`."""
        if self.outcome is None:
            self.outcome = outcome
            self.timings.ended = time.monotonic()
        return outcome

    # -- read on the event loop ------------------------------------------------------------------

    async def events(self) -> AsyncIterator[TicketEvent]:
        """Events of the request up to `Done`; raises the exception that ended it instead.

        Raises ApiError 504 when the time limit of a request is over. Leaving the iterator early,
        or being cancelled in it, stops the decoding.
        """
        loop = asyncio.get_running_loop()
        left = self.timings.arrived + self._timeout - time.monotonic()
        deadline = loop.call_later(left, self._expire)
        try:
            while True:
                if not self._woken:
                    self._reader = loop.create_future()
                    await self._reader
                self._woken = self._wake_requested = False  # before the buffer is taken, see `put`
                for event in self._take():
                    yield event
                    if isinstance(event, Done):
                        return
        finally:
            deadline.cancel()
            self.release()

    def release(self) -> None:
        """Stop the request if it still runs or waits, because no more of its events are read.

        Called after the last event, at the time limit, and when the reader leaves or is cancelled.
        May be called repeatedly.
        """
        self._on_release(self)

    def _wake(self) -> None:
        self._woken = True
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _take(self) -> Iterator[TicketEvent]:
        """Empty the buffer, with neighbouring deltas merged. Raises a buffered exception."""
        last: TicketEvent | None = None
        while self._buffer:
            item = self._buffer.popleft()
            if isinstance(last, Delta) and isinstance(item, Delta):
                last = _merge(last, item)
                continue
            if last is not None:
                yield last
            if isinstance(item, BaseException):
                raise item
            last = item
        if last is not None:
            yield last

    def _expire(self) -> None:
        message = f"The answer took longer than {self._timeout:g} seconds."
        self.put(self.end(ApiError(504, "request_timeout", message)))
        self.release()


def _merge(first: Delta, second: Delta) -> Delta:
    return Delta(
        first.text + second.text,
        first.reasoning + second.reasoning,
        first.token_ids + second.token_ids,
        first.logprobs + second.logprobs,
    )
