"""From a bot's synchronous events to an asynchronous stream; the only place where both meet.

A `Runner` has so many places to run and so many to wait. Each request is a `Ticket`: a thread
runs the bot and appends events to the ticket's buffer, the event loop takes them out. The loop is
woken once for all that has arrived since it last looked, not once per token. A request whose bot
pauses gives its thread back, and goes on in the thread that resumes it.

All methods are called on the event loop, but for those that say otherwise.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial

import structlog

from bots.chatbot import ChatBot, Prepared
from bots.events import Delta, Done, Event, Replace, Usage
from bots.streaming.pause import Pause
from server.http.errors import RETRY_AFTER, ApiError, error_code
from server.worker.metrics import Metrics

log = structlog.get_logger("chatzoo.worker")


ROUND = 0.015
"""Seconds between two rounds of waking readers while tokens keep coming: less than a person sees.
What begins or ends an answer, its first token included, waits for no round."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits; `position` 1 is the next to run."""

    position: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing happened for a while; the connection is to be kept alive."""


@dataclass(slots=True)
class Timings:
    """When what happened to a request, in seconds of the monotonic clock; 0 is "not yet".

    `arrived` is when its headers came, `submitted` when its prompt was built and it asked for a
    place.
    """

    arrived: float
    submitted: float
    admitted: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    ended: float = 0.0

    def queue_ms(self) -> int:
        """Milliseconds that the request waited for a place."""
        return round(((self.admitted or self.ended) - self.submitted) * 1000)

    def summary(self, tokens: int) -> dict[str, object]:
        """What the client is told, in milliseconds and tokens per second.

        The rate counts the tokens after the first over the time after the first; it is None for
        fewer than two tokens.
        """
        decoding = self.last_token - self.first_token
        first = self.first_token
        return {
            "queue_ms": self.queue_ms(),
            "ttft_ms": round((first - self.arrived) * 1000) if first else None,
            "total_ms": round((self.ended - self.arrived) * 1000),
            "tokens_per_second": round((tokens - 1) / decoding, 2)
            if tokens > 1 and decoding > 0
            else None,
        }


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request: its id, and when it arrived, in seconds of the monotonic clock."""

    id: str
    arrived: float = field(default_factory=time.monotonic)


class Ticket:
    """One request, from its place in the queue to its last event. Made by `Runner.submit`."""

    def __init__(self, runner: "Runner", call: Call, prepared: Prepared) -> None:
        self.id = call.id
        self.prepared = prepared
        self.stop = threading.Event()
        self.timings = Timings(call.arrived, time.monotonic())
        self.gaps: list[float] = []
        """Seconds between tokens. Noted here and counted at the end: a metric has a lock, for
        which the threads of many requests would queue at every token."""
        self.outcome: Done | BaseException | None = None
        self._runner = runner
        self._buffer: deque[Event | Queued | Silence | BaseException] = deque()
        self._wake_due = False
        self._woken = False
        self._reader: asyncio.Future[None] | None = None
        self._looked = 0.0
        self._heart: asyncio.TimerHandle | None = None
        self._running: Iterator[Event | Pause] | None = None

    async def events(self, heartbeat: float = 15.0) -> AsyncIterator[Event | Queued | Silence]:
        """What happens to the request; ends after `Done`, or raises what ended it.

        `heartbeat`: seconds without an event after which `Silence` is yielded. Leaving the
        iterator early, or being cancelled in it, stops the decoding.
        """
        left = self.timings.arrived + self._runner.timeout - time.monotonic()
        deadline = self._runner.loop.call_later(left, self._expire)
        self._looked = time.monotonic()
        self._beat(heartbeat)
        try:
            while True:
                if not self._woken:
                    self._reader = self._runner.loop.create_future()
                    await self._reader
                self._woken = self._wake_due = False
                self._looked = time.monotonic()
                for event in self._take():
                    yield event
                    if isinstance(event, Done):
                        return
        finally:
            deadline.cancel()
            if self._heart:
                self._heart.cancel()
            self.abandon()

    def _beat(self, heartbeat: float) -> None:
        """Tell the reader of a silence. One timer for many tokens: one for each costs more than
        all else that is done for a token here."""
        quiet = time.monotonic() - self._looked
        if quiet >= heartbeat:
            self.put(Silence())
            quiet = 0.0
        self._heart = self._runner.loop.call_later(heartbeat - quiet, self._beat, heartbeat)

    def _take(self) -> Iterator[Event | Queued | Silence]:
        """Everything that arrived, neighbouring deltas made one. Raises a buffered error."""
        last: Event | Queued | Silence | None = None
        while self._buffer:
            item = self._buffer.popleft()
            if isinstance(last, Delta) and isinstance(item, Delta):
                last = _joined(last, item)
                continue
            if last is not None:
                yield last
            if isinstance(item, BaseException):
                raise item
            last = item
        if last is not None:
            yield last

    def _expire(self) -> None:
        limit = self._runner.timeout
        error = ApiError(504, "request_timeout", f"The answer took longer than {limit:g} seconds.")
        self.put(self.end(error))
        self.abandon()

    def abandon(self) -> None:
        """Nobody reads this any more: stop it."""
        self._runner.abandon(self)

    def put(self, item: Event | Queued | Silence | BaseException) -> None:
        """Add an event and wake the loop. From any thread."""
        self._buffer.append(item)
        at_once = not self.gaps or not isinstance(item, (Delta, Replace))
        if at_once or not self._wake_due:
            self._wake_due = True
            self._runner.wake(self, at_once)

    def wake(self) -> None:
        """Let the reader look into the buffer."""
        self._woken = True
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def end(self, outcome: Done | BaseException) -> Done | BaseException:
        """Note how the request ended; the first to say it is right. Returns `outcome`."""
        if self.outcome is None:
            self.outcome = outcome
            self.timings.ended = time.monotonic()
        return outcome

    def pump(self, bot: ChatBot) -> None:
        """Run the bot until it pauses or ends. In a thread of the runner's, then of the bot's."""
        try:
            if self._running is None:
                self._running = bot.run_pausing(self.prepared, self.stop)
            for event in self._running:
                if isinstance(event, Pause):
                    event.arm(partial(self.pump, bot))  # another thread may be here from now on
                    return
                if isinstance(event, Delta) or (isinstance(event, Replace) and event.token_ids):
                    self._note_token()
                elif isinstance(event, Done):
                    self.end(event)
                self.put(event)
        except BaseException as error:  # noqa: BLE001 (every failure belongs to the reader)
            self.put(self.end(error))
        self._runner.pumped(self)

    def _note_token(self) -> None:
        now, timings = time.monotonic(), self.timings
        if timings.first_token:
            self.gaps.append(now - timings.last_token)
        else:
            timings.first_token = now
        timings.last_token = now


def _joined(one: Delta, two: Delta) -> Delta:
    return Delta(
        one.text + two.text,
        one.reasoning + two.reasoning,
        one.token_ids + two.token_ids,
        one.logprobs + two.logprobs,
    )


class Runner:
    """Runs so many requests of one bot at once, lets so many wait, refuses the rest.

    It has no place to run until `open` gives it a bot.
    """

    def __init__(self, *, max_queue: int, timeout: float, metrics: Metrics) -> None:
        self.max_running = 0
        self.max_queue = max_queue
        self.timeout = timeout
        self.metrics = metrics
        self.loop = asyncio.get_running_loop()
        self._running: dict[str, Ticket] = {}
        self._waiting: dict[str, Ticket] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._bot: ChatBot
        self._threads: ThreadPoolExecutor | None = None
        self.draining = False
        self._to_wake: deque[Ticket] = deque()
        self._round_due = False
        self._next_round: asyncio.TimerHandle | None = None
        metrics.watch(lambda: self.running, lambda: self.waiting)

    def open(self, bot: ChatBot, max_running: int) -> None:
        """Run `bot` from now on, so many requests at once. From any thread, once."""
        self._bot = bot
        self._threads = ThreadPoolExecutor(max_running, thread_name_prefix="decode")
        self.max_running = max_running

    def wake(self, ticket: Ticket, at_once: bool) -> None:
        """Have the reader of a ticket woken, at once or in the next round. From any thread."""
        self._to_wake.append(ticket)
        if at_once or not self._round_due:
            self._round_due = True
            # The loop may be gone when a thread outlives it at shutdown; then nobody reads.
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        """One round. While there is traffic, the next follows by itself after a moment: waking
        the loop from a thread costs more than all else that a token needs."""
        if self._next_round is not None:
            self._next_round.cancel()  # a thread may have asked for this round besides
            self._next_round = None
        if not self._to_wake:
            self._round_due = False
            if not self._to_wake:  # none came between the two lines
                return
            self._round_due = True
        while self._to_wake:
            self._to_wake.popleft().wake()
        self._next_round = self.loop.call_later(ROUND, self._wake_all)

    def pumped(self, ticket: Ticket) -> None:
        """A bot has come to the end of a request. From any thread."""
        with contextlib.suppress(RuntimeError):  # as in `wake`
            self.loop.call_soon_threadsafe(self._ended, ticket)

    @property
    def running(self) -> int:
        """Requests that decode now."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return len(self._waiting)

    def check_room(self, count: int = 1) -> None:
        """Raise 503 when draining and 429 when `count` more requests have no place."""
        if self.draining:
            raise ApiError(
                503, "draining", "This worker is stopping.", headers={"Retry-After": "10"}
            )
        free = self.max_running - self.running + self.max_queue - self.waiting
        if count > free:
            raise ApiError(
                429,
                "queue_full",
                f"{self.running} requests run and {self.waiting} wait; try again shortly.",
                headers=RETRY_AFTER,
            )

    def submit(self, prepared: Prepared, call: Call) -> Ticket:
        """Take a place to run or to wait. Raises as `check_room`."""
        self.check_room()
        ticket = Ticket(self, call, prepared)
        if self.running < self.max_running:
            self._start(ticket)
        else:
            self._waiting[ticket.id] = ticket
            self._idle.clear()
            ticket.put(Queued(self.waiting))
        return ticket

    def cancel(self, request_id: str) -> bool:
        """Stop a request, running or waiting; returns whether there was one.

        The id of a request with several prompts stops them all.
        """

        def meant(name: str) -> bool:
            return name == request_id or name.startswith(f"{request_id}-")

        running = [ticket for name, ticket in self._running.items() if meant(name)]
        waiting = [ticket for name, ticket in self._waiting.items() if meant(name)]
        for ticket in waiting + running:
            self.abandon(ticket)
        return bool(running or waiting)

    def abandon(self, ticket: Ticket) -> None:
        """Stop a request; one that waits ends at once and frees its place in the queue."""
        ticket.stop.set()
        if self._waiting.pop(ticket.id, None):
            self._leave(ticket)
            self._tell_positions()

    def _leave(self, ticket: Ticket) -> None:
        ticket.put(ticket.end(Done("cancelled", Usage(ticket.prepared.prompt_tokens))))
        self._finished(ticket)

    async def drain(self, seconds: float) -> None:
        """Refuse new requests, let those there finish; after `seconds` stop them."""
        self.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        self.close()

    def close(self) -> None:
        """Stop everything; the threads end when they have noticed."""
        self.draining = True
        waiting = [*self._waiting.values()]
        self._waiting.clear()
        for ticket in waiting:
            self._leave(ticket)
        for ticket in self._running.values():
            ticket.stop.set()
        if self._threads:
            self._threads.shutdown(wait=False)

    def _start(self, ticket: Ticket) -> None:
        ticket.timings.admitted = time.monotonic()
        self.metrics.queue_time.observe(ticket.timings.admitted - ticket.timings.submitted)
        self._running[ticket.id] = ticket
        self._idle.clear()
        assert self._threads is not None
        self._threads.submit(ticket.pump, self._bot)

    def _ended(self, ticket: Ticket) -> None:
        del self._running[ticket.id]
        self._finished(ticket)
        if self._waiting and self.running < self.max_running:
            self._start(self._waiting.pop(next(iter(self._waiting))))
            self._tell_positions()

    def _finished(self, ticket: Ticket) -> None:
        """Count and log how a request ended; never what was in it."""
        timings = ticket.timings
        if timings.first_token:
            self.metrics.ttft.observe(timings.first_token - timings.arrived)
        for gap in ticket.gaps:
            self.metrics.inter_token.observe(gap)
        self.metrics.count(ticket.outcome, timings.ended - timings.arrived)
        fields = ticket.timings.summary(0)
        if isinstance(ticket.outcome, Done):
            usage = ticket.outcome.usage
            fields = ticket.timings.summary(usage.completion_tokens) | asdict(usage)
            fields["finish_reason"] = ticket.outcome.finish_reason
        elif ticket.outcome is not None:
            fields["code"] = error_code(ticket.outcome)
        log.info("request", id=ticket.id, **fields)
        if ticket.outcome is not None and fields.get("code") == "internal_error":
            log.error("request failed", id=ticket.id, exc_info=ticket.outcome)
        if not self._running and not self._waiting:
            self._idle.set()

    def _tell_positions(self) -> None:
        for position, ticket in enumerate(self._waiting.values(), 1):
            ticket.put(Queued(position))
