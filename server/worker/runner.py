"""Runs the requests of one bot: threads that decode, the queue before them, drain, metrics.

Each request is a `Ticket`. A thread runs the bot and puts events into the ticket; the event loop
reads them there. A request whose bot yields `Pause` gives its thread back and continues in the
thread that resumes it.

The modules depend on each other in one direction: runner -> queue -> ticket -> wakeup, timings.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial

import structlog

from bots.chatbot import ChatBot, Prepared
from bots.events import Delta, Done, Event, Replace, Usage
from bots.streaming.pause import Pause
from server.http.errors import ApiError, error_code
from server.worker.metrics import Metrics
from server.worker.queue import RequestQueue
from server.worker.ticket import Call, Ticket
from server.worker.wakeup import INTERVAL_SECONDS, WakeUp, call_in_loop

log = structlog.get_logger("chatzoo.worker")


class Runner:
    """Runs up to `max_running` requests of one bot at once and lets up to `max_queue` wait.

    All methods are called on the event loop, except where they say otherwise. No request can run
    until `open` is called with the loaded bot. `timeout`: seconds that a request may take from its
    arrival. `wake_interval`: see `server.worker.wakeup`.
    """

    def __init__(
        self,
        *,
        max_queue: int,
        timeout: float,
        metrics: Metrics,
        wake_interval: float = INTERVAL_SECONDS,
    ) -> None:
        self.metrics = metrics
        self.draining = False
        self._timeout = timeout
        self._queue = RequestQueue(max_queue)
        self._loop = asyncio.get_running_loop()
        self._wakeup = WakeUp(self._loop, wake_interval)
        self._idle = asyncio.Event()
        self._idle.set()
        self._bot: ChatBot
        self._threads: ThreadPoolExecutor | None = None
        metrics.watch(self._queue.count_running, self._queue.count_waiting)

    def open(self, bot: ChatBot, max_running: int) -> None:
        """Accept requests for `bot`, up to `max_running` at once. From any thread, once."""
        self._bot = bot
        self._threads = ThreadPoolExecutor(max_running, thread_name_prefix="decode")
        self._queue.max_running = max_running  # last: from here on the loop may start requests

    @property
    def running(self) -> int:
        """Number of requests that decode."""
        return self._queue.count_running()

    @property
    def waiting(self) -> int:
        """Number of requests that wait for others to end."""
        return self._queue.count_waiting()

    @property
    def max_running(self) -> int:
        """Number of requests that may decode at once; 0 before `open`."""
        return self._queue.max_running

    @property
    def capacity(self) -> int:
        """Number of requests that an idle worker can take: running and waiting together."""
        return self._queue.max_running + self._queue.max_waiting

    def check_capacity(self, count: int = 1) -> None:
        """Raise ApiError: 503 while draining, 429 if `count` more requests cannot be taken."""
        if self.draining:
            raise ApiError(
                503, "draining", "This worker is stopping.", headers={"Retry-After": "10"}
            )
        self._queue.check_capacity(count)

    def submit(self, prepared: Prepared, call: Call) -> Ticket:
        """Run a request, or queue it. Raises ApiError as `check_capacity` does."""
        self.check_capacity()
        ticket = Ticket(
            call, prepared, self._wakeup, timeout=self._timeout, on_release=self._release
        )
        self._idle.clear()
        if self._queue.add(ticket):
            self._start(ticket)
        return ticket

    def cancel(self, request_id: str) -> bool:
        """Stop a request, running or waiting, with all its prompts. Returns whether there was one.

        Its tickets end with the finish reason `cancelled`.
        """
        tickets = self._queue.find(request_id)
        for ticket in tickets:
            self._release(ticket)
        return bool(tickets)

    async def drain(self, seconds: float) -> None:
        """Refuse new requests and let present ones finish; after `seconds` stop those left."""
        self.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        self.close()

    def close(self) -> None:
        """Stop all requests. Threads are not waited for; each ends after the step it is in."""
        self.draining = True
        for ticket in self._queue.clear_waiting():
            self._end_waiting(ticket)
        for ticket in self._queue.running:
            ticket.stop.set()
        if self._threads:
            self._threads.shutdown(wait=False)

    # -- decoding threads ------------------------------------------------------------------------

    def _start(self, ticket: Ticket) -> None:
        ticket.timings.admitted = time.monotonic()
        self.metrics.queue_time.observe(ticket.timings.admitted - ticket.timings.submitted)
        assert self._threads is not None
        self._threads.submit(self._decode, ticket)

    def _decode(self, ticket: Ticket, events: Iterator[Event | Pause] | None = None) -> None:
        """Put the bot's events into the ticket until the bot pauses or ends.

        Runs in a thread of the pool. `events` is given after a pause; this then runs in the thread
        of the bot that resumes the request.
        """
        try:
            if events is None:
                events = self._bot.run_pausing(ticket.prepared, ticket.stop)
            for event in events:
                if isinstance(event, Pause):
                    # The last action here: from now on another thread may be in `events`.
                    event.arm(partial(self._decode, ticket, events))
                    return
                if isinstance(event, Delta) or (isinstance(event, Replace) and event.token_ids):
                    ticket.timings.record_token(time.monotonic())
                elif isinstance(event, Done):
                    ticket.end(event)
                ticket.put(event)
        except BaseException as error:  # noqa: BLE001 (every failure is raised at the reader)
            ticket.put(ticket.end(error))
        call_in_loop(self._loop, self._finish, ticket)

    # -- ends of requests ------------------------------------------------------------------------

    def _release(self, ticket: Ticket) -> None:
        """Stop a request: one that runs ends after its step, one that waits at once, and one that
        has ended stays as it is."""
        ticket.stop.set()
        if self._queue.remove_waiting(ticket):
            self._end_waiting(ticket)

    def _end_waiting(self, ticket: Ticket) -> None:
        ticket.put(ticket.end(Done("cancelled", Usage(ticket.prepared.prompt_tokens))))
        self._record(ticket)

    def _finish(self, ticket: Ticket) -> None:
        """Free the place of a request whose bot has ended, and start the next one."""
        following = self._queue.finish(ticket)
        self._record(ticket)
        if following:
            self._start(following)

    def _record(self, ticket: Ticket) -> None:
        """Count and log how a request ended: its id, counts and times, never its text."""
        timings, outcome = ticket.timings, ticket.outcome
        if timings.first_token:
            self.metrics.ttft.observe(timings.first_token - timings.arrived)
        for gap in timings.gaps:
            self.metrics.inter_token.observe(gap)
        self.metrics.count(outcome, timings.ended - timings.arrived)
        fields: dict[str, object] = {}
        if isinstance(outcome, Done):
            usage = outcome.usage
            fields = {**timings.summary(usage.completion_tokens), **asdict(usage)}
            fields["finish_reason"] = outcome.finish_reason
        elif outcome is not None:
            fields = {**timings.summary(0), "code": error_code(outcome)}
        log.info("request", id=ticket.id, **fields)
        if fields.get("code") == "internal_error":
            log.error("request failed", id=ticket.id, exc_info=outcome)
        if not self.running and not self.waiting:
            self._idle.set()
