"""Whole answers: a ticket's events folded into one object, for responses that do not stream."""

import asyncio
from dataclasses import dataclass, field

from starlette.requests import Request

from bots.events import Delta, Done, PromptScored, Replace, TokenLogprob, Usage
from server.http.errors import ApiError
from server.worker.ticket import Ticket, TicketEvent


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
        """Add the next event of the ticket."""
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
        """Token counts of a complete answer."""
        return self.done.usage if self.done else Usage()


async def collect(request: Request, *tickets: Ticket) -> list[Answer]:
    """Wait for the whole answers of tickets, in their order.

    Raises the first exception that ended one of them, and ApiError 499 when the client
    disconnects. All tickets are stopped in both cases.
    """
    disconnected = False

    async def watch_connection() -> None:
        nonlocal disconnected
        while (await request.receive())["type"] != "http.disconnect":
            pass
        disconnected = True
        answers.cancel()

    answers = asyncio.gather(*(_collect_one(ticket) for ticket in tickets))
    watcher = asyncio.create_task(watch_connection())
    try:
        return await answers
    except asyncio.CancelledError:
        if disconnected:
            # No client receives this status. It keeps the traceback of a cancelled task out of
            # the log.
            raise ApiError(499, "client_closed_request", "The client left.") from None
        raise
    finally:
        watcher.cancel()
        answers.cancel()
        # A reader that is cancelled before its first step never reaches its own `finally`.
        for ticket in tickets:
            ticket.release()


async def _collect_one(ticket: Ticket) -> Answer:
    answer = Answer()
    async for event in ticket.events():
        answer.apply(event)
    return answer
