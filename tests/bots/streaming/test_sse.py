"""Server-sent events byte by byte, without a connection, and over httpx's responses."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.streaming.sse import SSEError, SSEOptions, aread_events, read_events

UNFINISHED = SSEOptions(unfinished=True)
STRICT = SSEOptions(strict=True)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """The bytes in pieces of these sizes, then the rest."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A response's body in these chunks."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


def read(chunks: Iterable[bytes], options: SSEOptions | None = None) -> list[tuple[str, str]]:
    """All events of a stream."""
    return list(read_events(httpx.Response(200, stream=Body(chunks)), options))


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), min_size=1)
    ),
    st.lists(st.integers(1, 7), max_size=60),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_events_do_not_depend_on_where_the_bytes_are_cut(
    texts: list[str], sizes: list[int], end: str
) -> None:
    """Cuts inside characters and line ends; other line ends of Python stay in the text."""
    body = "".join(f": ping{end}event: x{end}data: {text}{end}{end}" for text in texts)
    assert read(cut(body.encode(), sizes)) == [("x", text) for text in texts]


def test_forms_of_events() -> None:
    """No space after the colon, two data lines, blank lines, ids, an event without data."""
    body = (
        b"\n\n: hello\ndata:a\n\n\n\nid: 1\ndata: b\ndata: c\n\nretry: 3\n\nevent: lost\n\n"
        b"data\n\nevent: last\ndata: d\n\n"
    )
    assert read([body]) == [
        ("message", "a"),
        ("message", "b\nc"),
        ("last", "d"),
    ]


def test_line_ends_inside_the_data_stay() -> None:
    """U+2028, NEL and form feed are line ends to Python and text to this format."""
    body = b'data: "\xe2\x80\xa8\xc2\x85\x0c"\n\n'
    assert read([body]) == [("message", '"\u2028\x85\x0c"')]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_an_unfinished_event_counts_only_on_request(end: str) -> None:
    """Some servers leave out the last blank line."""
    body = f"data: a\n\ndata: b{end}".encode()
    assert read([body]) == [("message", "a")]
    assert read([body], UNFINISHED) == [("message", "a"), ("message", "b")]


def endless(line: bytes) -> Iterator[bytes]:
    """A server that never stops sending."""
    while True:
        yield line


@pytest.mark.parametrize("piece", [b"x", b"data: short\n", b"\r", b"data: a\r\n", b": ping\n\n"])
def test_an_event_without_an_end_is_an_error(piece: bytes) -> None:
    """One long line, many short ones, blank lines and comments."""
    options = SSEOptions(max_bytes=100)
    with pytest.raises(SSEError, match="does not end within 100 bytes"):
        read(endless(piece), options)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_limit_is_for_one_event(end: bytes) -> None:
    """The count begins again with each event, wherever the bytes are cut."""
    event = b"data: " + b"x" * 90 + end + end
    # A CR is a line end once the next byte, or the next chunk, shows that no LF follows.
    by_bytes, by_events = (SSEOptions(max_bytes=n) for n in (len(event) + 2, 2 * len(event)))
    expected = [("message", "x" * 90)] * 3
    assert read([bytes([one]) for one in event * 3], by_bytes) == expected
    assert read([event] * 3, by_events) == expected
    with pytest.raises(SSEError):
        read([event], SSEOptions(max_bytes=len(event) - 1))


def test_the_text_is_utf8_whatever_the_header_says() -> None:
    headers = {"content-type": "text/event-stream; charset=latin-1"}
    response = httpx.Response(200, headers=headers, stream=Body(["data: 你\n\n".encode()]))
    assert list(read_events(response)) == [("message", "你")]


def test_bytes_that_are_not_utf8() -> None:
    """A replacement character, or an error where the options are strict."""
    assert read([b"data: \xff\n\n"]) == [("message", "\ufffd")]
    with pytest.raises(SSEError, match="UTF-8"):
        read([b"data: \xff\n\n"], STRICT)
    with pytest.raises(SSEError, match="UTF-8"):
        read([b"data: a\n\ndata: \xe4\xbd"], STRICT)
    assert read([b"data: \xe4\xbd", b"\xa0\n\n"], STRICT) == [("message", "你")]


def test_an_async_response() -> None:
    """The same events as from a client without async."""
    chunks = (b"data: a\n", b"\nevent: x\nda", b"ta: b\n\ndata: c")

    async def read_async() -> list[tuple[str, str]]:
        response = httpx.Response(200, stream=Body(chunks))
        return [event async for event in aread_events(response, UNFINISHED)]

    expected = [("message", "a"), ("x", "b"), ("message", "c")]
    assert asyncio.run(read_async()) == read(chunks, UNFINISHED) == expected
