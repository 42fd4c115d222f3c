"""Server-sent events out of an HTTP response, with a limit on their size.

httpx-sse reads the events. It keeps a line, and the lines of an event, in memory until they end, so
the bytes that arrive without a complete event are counted before it gets them. The meaning of an
event is the caller's.
"""

import codecs
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from dataclasses import dataclass

import httpx
from httpx_sse import EventSource

MAX_BYTES = 16 << 20
"""Bytes that may arrive without a complete event: far above any event with a whole answer, and so
few that a faulty server cannot fill the memory."""

_MEDIA_TYPE = {"content-type": "text/event-stream"}


class SSEError(ValueError):
    """Raised for an event above the size limit, and for text that is not UTF-8."""


@dataclass(frozen=True, slots=True)
class SSEOptions:
    """How tolerant the reader is.

    `max_bytes` may arrive without a complete event. With `strict`, bytes that are not UTF-8 raise
    SSEError; without, U+FFFD takes their place. `unfinished` yields an event that the stream ends
    without its blank line; the standard drops it.
    """

    max_bytes: int = MAX_BYTES
    strict: bool = False
    unfinished: bool = False


def read_events(
    response: httpx.Response, options: SSEOptions | None = None
) -> Generator[tuple[str, str], None, None]:
    """The events of a streaming response as (event name, data). Raises SSEError, httpx errors.

    The caller opens and closes the response, and checks its status and type.
    """
    guard = _Guard(options or SSEOptions())

    def body() -> Iterator[bytes]:
        for chunk in response.iter_bytes():
            yield guard.check(chunk)
        yield guard.end()

    for event in EventSource(_source(body())).iter_sse():
        guard.pending = 0
        if event.data:  # httpx-sse also returns events without data, the standard does not
            yield event.event, event.data


async def aread_events(
    response: httpx.Response, options: SSEOptions | None = None
) -> AsyncGenerator[tuple[str, str], None]:
    """The same for a response of an AsyncClient."""
    guard = _Guard(options or SSEOptions())

    async def body() -> AsyncIterator[bytes]:
        async for chunk in response.aiter_bytes():
            yield guard.check(chunk)
        yield guard.end()

    async for event in EventSource(_source(body())).aiter_sse():
        guard.pending = 0
        if event.data:
            yield event.event, event.data


def _source(body: Iterator[bytes] | AsyncIterator[bytes]) -> httpx.Response:
    """A response with the checked bytes as its body, which is what httpx-sse reads from."""
    return httpx.Response(200, headers=_MEDIA_TYPE, content=body)


class _Guard:
    """Checks the bytes on their way to httpx-sse.

    `pending` counts those since the last event; the reader resets it at each. So one count bounds
    long lines, long events and endless comments alike.
    """

    def __init__(self, options: SSEOptions) -> None:
        self.pending = 0
        self._options = options
        self._utf8 = codecs.getincrementaldecoder("utf-8")("strict")

    def check(self, chunk: bytes) -> bytes:
        """The same bytes. Raises SSEError."""
        self.pending += len(chunk)
        if self.pending > self._options.max_bytes:
            raise SSEError(f"An event does not end within {self._options.max_bytes} bytes.")
        self._check_utf8(chunk)
        return chunk

    def end(self) -> bytes:
        """The bytes that complete an unfinished event, if that is wanted. Raises SSEError."""
        self._check_utf8(b"", final=True)
        return b"\n\n" if self._options.unfinished else b""

    def _check_utf8(self, chunk: bytes, *, final: bool = False) -> None:
        if not self._options.strict:
            return
        try:
            self._utf8.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise SSEError("The text is not UTF-8.") from error
