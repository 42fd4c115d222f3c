"""Two ways to answer a request: all at once when it is done, or as a stream of events."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from bots.events import Delta, Done, PromptScored, Replace, TokenLogprob, Usage
from server.http import sse
from server.http.errors import ApiError, api_error, error_code
from server.worker.ticket import Ticket, TicketEvent

log = structlog.get_logger("chatzoo.worker")


@dataclass(slots=True)
class Answer:
    """An answer so far; complete when `done` is set."""

    text: str = ""
    reasoning: str = ""
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    prompt_logprobs: tuple[TokenLogprob, ...] = ()
    done: Done | None = None

    def apply(self, event: TicketEvent) -> None:
        """Take in the next event of the stream."""
        match event:
            case Delta():
                self.text += event.text
                self.reasoning += event.reasoning
                self.token_ids += event.token_ids
                self.logprobs += event.logprobs
            case Replace():
                self.text = event.text
                if event.reasoning is not None:
                    self.reasoning = event.reasoning
                if event.token_ids is not None:
                    self.token_ids = list(event.token_ids)
            case PromptScored():
                self.prompt_logprobs = event.logprobs
            case Done():
                self.done = event

    @property
    def usage(self) -> Usage:
        """The counts of a complete answer."""
        return self.done.usage if self.done else Usage()


async def collect(request: Request, *tickets: Ticket) -> list[Answer]:
    """Wait for whole answers, in the order of the tickets. Raises the first thing that ended one.

    When the client leaves, or one fails, all are stopped.
    """

    left = False

    async def leave() -> None:
        nonlocal left
        while (await request.receive())["type"] != "http.disconnect":
            pass
        left = True
        work.cancel()

    work = asyncio.gather(*(_joined(ticket) for ticket in tickets))
    watch = asyncio.create_task(leave())
    try:
        return await work
    except asyncio.CancelledError:
        if left:
            # Nobody reads this; it only spares the log the traceback of a cancelled task.
            raise ApiError(499, "client_closed_request", "The client left.") from None
        raise
    finally:
        watch.cancel()
        work.cancel()
        for ticket in tickets:  # also those whose reader was cancelled before it began
            ticket.abandon()


async def _joined(ticket: Ticket) -> Answer:
    answer = Answer()
    async for event in ticket.events():
        answer.apply(event)
    return answer


def last_words(error: Exception, ticket: Ticket) -> dict[str, object]:
    """The error that ends a stream, logged here unless the runner has logged it."""
    if error is not ticket.outcome and error_code(error) == "internal_error":
        log.error("request failed", id=ticket.id, exc_info=error)
    return api_error(error, ticket.id).body.model_dump()


class EventStream(StreamingResponse):
    """A stream of events that stops its tickets however it ends, even before it begins."""

    def __init__(self, frames: AsyncIterator[bytes], *tickets: Ticket) -> None:
        super().__init__(frames, media_type=sse.MEDIA_TYPE, headers=sse.HEADERS)
        self._tickets = tickets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            for ticket in self._tickets:
                ticket.abandon()
