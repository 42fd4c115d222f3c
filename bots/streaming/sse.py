"""Server-sent events out of an HTTP response, with a limit on their size.

httpx-sse reads the events. It keeps a line, and the lines of an event, in memory until they end,
so the bytes are checked before it gets them. Knows no meaning of an event.
"""

import codecs
import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from dataclasses import dataclass

import httpx
from httpx_sse import EventSource

MAX_BYTES = 16 << 20
"""Largest event in bytes: far above any chunk of an answer, and small enough that a faulty server
cannot fill the memory."""

# Bytes can be split at these: no UTF-8 character contains them.
_LINE_END = re.compile(rb"\r\n|\n|\r")
_MEDIA_TYPE = {"content-type": "text/event-stream"}


class SSEError(ValueError):
    """Raised for an event above the size limit, and for text that is not UTF-8."""


@dataclass(frozen=True, slots=True)
class SSEOptions:
    """How tolerant the reader is.

    `max_bytes` limits the lines of one event together. With `strict`, bytes that are not UTF-8
    raise SSEError; without, U+FFFD takes their place. `unfinished` yields an event that the stream
    ends without its blank line; the standard drops it.
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
    checks = _Checks(options or SSEOptions())

    def checked() -> Iterator[bytes]:
        for chunk in response.iter_bytes():
            yield checks.chunk(chunk)
        yield checks.end()

    for event in EventSource(_source(checked())).iter_sse():
        if event.data:  # httpx-sse also returns events without data, the standard does not
            yield event.event, event.data


async def aread_events(
    response: httpx.Response, options: SSEOptions | None = None
) -> AsyncGenerator[tuple[str, str], None]:
    """The same for a response of an AsyncClient."""
    checks = _Checks(options or SSEOptions())

    async def checked() -> AsyncIterator[bytes]:
        async for chunk in response.aiter_bytes():
            yield checks.chunk(chunk)
        yield checks.end()

    async for event in EventSource(_source(checked())).aiter_sse():
        if event.data:
            yield event.event, event.data


def _source(body: Iterator[bytes] | AsyncIterator[bytes]) -> httpx.Response:
    """A response with the checked bytes as its body, which is what httpx-sse reads from."""
    return httpx.Response(200, headers=_MEDIA_TYPE, content=body)


class _Checks:
    """The size of the event that is being read, and whether the bytes are UTF-8."""

    def __init__(self, options: SSEOptions) -> None:
        self._options = options
        self._utf8 = codecs.getincrementaldecoder("utf-8")("strict")
        self._line_bytes = 0
        self._event_bytes = 0
        self._after_cr = False

    def chunk(self, chunk: bytes) -> bytes:
        """The same bytes. Raises SSEError."""
        if self._options.strict:
            self._check_utf8(chunk)
        if chunk:
            # An LF after a CR belongs to the same line end; it would look like a blank line.
            start = 1 if self._after_cr and chunk.startswith(b"\n") else 0
            self._after_cr = chunk.endswith(b"\r")
            first, *others = _LINE_END.split(chunk[start:])
            self._count(first)
            for piece in others:
                if self._line_bytes == 0:  # a blank line ends the event
                    self._event_bytes = 0
                self._line_bytes = 0
                self._count(piece)
        return chunk

    def end(self) -> bytes:
        """The bytes that complete an unfinished event, if that is wanted. Raises SSEError."""
        if self._options.strict:
            self._check_utf8(b"", final=True)
        return b"\n\n" if self._options.unfinished else b""

    def _count(self, piece: bytes) -> None:
        self._line_bytes += len(piece)
        self._event_bytes += len(piece)
        if self._event_bytes > self._options.max_bytes:
            raise SSEError(f"An event does not end within {self._options.max_bytes} bytes.")

    def _check_utf8(self, chunk: bytes, *, final: bool = False) -> None:
        try:
            self._utf8.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise SSEError("The text is not UTF-8.") from error
