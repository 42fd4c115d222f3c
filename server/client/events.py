"""Reader of server-sent events with a bound on their size, over httpx-sse."""

from collections.abc import AsyncGenerator, AsyncIterator

import httpx
from httpx_sse import EventSource, ServerSentEvent

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Bytes that may arrive without a complete event. A `replace` event holds a whole answer, of a few
hundred KB at most; without a bound, a server that never ends a line fills the memory."""


class EventTooLarge(Exception):
    """Raised when more bytes arrive than an event may have."""


class _BoundedStream(httpx.AsyncByteStream):
    """The body of a response. Raises EventTooLarge once `pending` exceeds `limit` bytes.

    The reader sets `pending` to 0 at each event, so this bounds events and unfinished lines alike,
    whatever the decoder behind it holds.
    """

    def __init__(self, stream: httpx.AsyncByteStream, limit: int) -> None:
        self.pending = 0
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self.pending += len(chunk)
            if self.pending > self._limit:
                raise EventTooLarge(f"An event has more than {self._limit} bytes.")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def read_events(
    response: httpx.Response, limit: int = MAX_EVENT_BYTES
) -> AsyncGenerator[ServerSentEvent, None]:
    """The events of a streaming response of the type `text/event-stream`, in order.

    Events without data are left out, as is one that the end of the stream cuts off. Raises
    EventTooLarge, and httpx.HTTPError when the connection breaks.
    """
    assert isinstance(response.stream, httpx.AsyncByteStream)
    response.stream = bounded = _BoundedStream(response.stream, limit)
    response.encoding = "utf-8"  # by the format, whatever the header says
    async for event in EventSource(response).aiter_sse():
        bounded.pending = 0
        if event.data:
            yield event
