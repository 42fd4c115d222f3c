"""The response that streams an answer as server-sent events."""

from collections.abc import AsyncIterator

import structlog
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import AppStatus
from starlette.types import Message, Receive, Scope, Send

from server.http import sse
from server.http.errors import api_error, error_code
from server.worker.ticket import Ticket

log = structlog.get_logger("chatzoo.worker")

PING_SECONDS = 15.0
"""Interval of the comments that keep a connection open. Proxies commonly close one that carries
nothing for 30 to 60 seconds."""

# By default sse-starlette cancels running streams when uvicorn is told to stop. Here the drain
# decides: running answers finish, and `Runner.close` ends those that take too long.
AppStatus.enable_automatic_graceful_drain = False


class EventStream(EventSourceResponse):
    """Streams frames made by `server.http.sse.frame`, and stops the tickets however it ends.

    sse-starlette sends the comments and cancels the iterator when the client disconnects.
    """

    def __init__(
        self, frames: AsyncIterator[bytes], *tickets: Ticket, ping: float = PING_SECONDS
    ) -> None:
        super().__init__(
            frames,
            headers=sse.HEADERS,
            ping=ping,
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
        )
        self._tickets = tickets

    async def _send_with_timeout(self, send: Send, message: Message) -> None:
        # sse-starlette opens a cancel scope for each event, also where no send timeout is set.
        # That alone is a quarter of the processor time of an event (docs/adr/0003-dependencies.md).
        await send(message)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. Tickets are stopped also if their frames were never asked for."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            for ticket in self._tickets:
                ticket.release()


def final_error(error: Exception, ticket: Ticket) -> dict[str, object]:
    """The body of the error that ends a stream.

    An internal error is logged here, unless it is the ticket's outcome, which the runner logs.
    """
    if error is not ticket.outcome and error_code(error) == "internal_error":
        log.error("request failed", id=ticket.id, exc_info=error)
    return api_error(error, ticket.id).body.model_dump()
