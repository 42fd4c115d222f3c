"""The reader of server-sent events: line ends, fields, bounds, an early end."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from server.client.events import EventTooLarge, read_events


class Chunks(httpx.AsyncByteStream):
    """A body that arrives in these chunks."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self.chunks = chunks
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


def events_of(*chunks: bytes, limit: int = 1000, charset: str = "utf-8") -> list[tuple[str, str]]:
    headers = {"Content-Type": f"text/event-stream; charset={charset}"}
    response = httpx.Response(200, headers=headers, stream=Chunks(chunks))

    async def main() -> list[tuple[str, str]]:
        return [(event.event, event.data) async for event in read_events(response, limit)]

    return asyncio.run(main())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_all_line_ends_wherever_the_bytes_are_cut(end: str, size: int) -> None:
    lines = ["event:a", "data: 1", "data:2", "", ":c", "id: 7", "data:  你", "", ":c", "", ""]
    data = end.join(lines).encode()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert events_of(*chunks) == [("a", "1\n2"), ("message", " 你")]


def test_other_separators_of_unicode_end_no_line() -> None:
    assert events_of("data: a\u2028b\x0bc\n\n".encode()) == [("message", "a\u2028b\x0bc")]


def test_events_are_utf_8_whatever_the_header_says() -> None:
    assert events_of("data: 你\n\n".encode(), charset="latin-1") == [("message", "你")]


def test_an_event_that_is_cut_off_is_left_out() -> None:
    assert events_of(b"data: 1\n\ndata: 2\n") == [("message", "1")]


@pytest.mark.parametrize("line", [b"data: xxxxxxxx\n", b"data: xxxxxxxx", b":xxxxxxxxx\n"])
def test_an_event_or_a_line_without_end_is_refused(line: bytes) -> None:
    with pytest.raises(EventTooLarge, match="more than 50 bytes"):
        events_of(*[line] * 10, limit=50)


def test_the_bound_is_of_each_event() -> None:
    assert len(events_of(*[b"data: xxxxxxxx\n\n"] * 100, limit=50)) == 100


def test_closing_the_response_closes_the_connection() -> None:
    chunks = Chunks([b"data: 1\n\n"] * 3)
    headers = {"Content-Type": "text/event-stream"}
    response = httpx.Response(200, headers=headers, stream=chunks)

    async def main() -> None:
        events = read_events(response)
        await anext(events)
        await events.aclose()
        await response.aclose()

    asyncio.run(main())
    assert chunks.closed
