"""The streaming response: frames and headers, comments, disconnects, shutdown."""

import asyncio
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse
from sse_starlette.sse import AppStatus
from starlette.types import Message
from structlog.testing import capture_logs

from server.http import sse
from server.http.errors import ApiError
from server.worker.event_stream import EventStream, final_error
from server.worker.ticket import Call, Ticket
from server.worker.wakeup import WakeUp
from tests.server.worker.conftest import prepared, run

SCOPE = {"type": "http", "method": "POST"}


class Connection:
    """An ASGI connection: keeps what is sent; the test decides when the client leaves."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.disconnected = asyncio.Event()

    async def receive(self) -> Message:
        await self.disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


def ticket(released: list[Ticket]) -> Ticket:
    wakeup = WakeUp(asyncio.get_running_loop())
    return Ticket(Call("req_1"), prepared(), wakeup, timeout=60, on_release=released.append)


async def frames(*more: asyncio.Event) -> AsyncIterator[bytes]:
    """A frame before each event and one after the last."""
    for event in more:
        yield sse.frame({"text": "a"}, "delta", 1)
        await event.wait()
    yield sse.frame({}, "done")


def test_frames_and_headers_arrive_unchanged() -> None:
    async def test() -> None:
        connection, released = Connection(), list[Ticket]()
        one = ticket(released)
        await EventStream(frames(), one)(SCOPE, connection.receive, connection.send)
        headers = dict(connection.sent[0]["headers"])
        assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
        assert headers[b"cache-control"] == b"no-cache"
        assert headers[b"x-accel-buffering"] == b"no"
        assert connection.body == b"event: done\ndata: {}\n\n"
        assert connection.sent[-1]["more_body"] is False
        assert released == [one]

    run(test)


def test_comments_keep_the_connection_open() -> None:
    async def test() -> None:
        connection, end = Connection(), asyncio.Event()
        stream = EventStream(frames(end), ping=0.001)
        answer = asyncio.create_task(stream(SCOPE, connection.receive, connection.send))
        async with asyncio.timeout(10):
            while b": ping\n\n" not in connection.body:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            end.set()
            await answer
        assert b"event: done\ndata: {}\n\n" in connection.body

    run(test)


def test_a_disconnect_ends_the_frames_and_stops_the_tickets() -> None:
    async def test() -> None:
        connection, released, closed = Connection(), list[Ticket](), asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            try:
                yield sse.frame({}, "start")
                await asyncio.Event().wait()
            finally:
                closed.set()

        one, two = ticket(released), ticket(released)
        connection.disconnected.set()
        async with asyncio.timeout(10):
            await EventStream(endless(), one, two)(SCOPE, connection.receive, connection.send)
        assert closed.is_set()
        assert released == [one, two]

    run(test)


def test_a_stop_of_the_server_leaves_running_streams_to_the_drain() -> None:
    assert not AppStatus.enable_automatic_graceful_drain


def test_an_event_is_sent_without_a_cancel_scope() -> None:
    """sse-starlette sends each event by this method; if it no longer does, its cost is back."""

    async def test() -> None:
        connection, used = Connection(), list[Message]()

        class Counting(EventStream):
            async def _send_with_timeout(self, send: object, message: Message) -> None:
                used.append(message)
                await super()._send_with_timeout(connection.send, message)

        await Counting(frames())(SCOPE, connection.receive, connection.send)
        assert [message["body"] for message in used] == [b"event: done\ndata: {}\n\n"]

    assert EventStream._send_with_timeout is not EventSourceResponse._send_with_timeout
    run(test)


def test_an_internal_error_is_logged_once() -> None:
    async def test() -> None:
        one = ticket([])
        error = KeyError("broken on purpose")
        with capture_logs() as lines:
            assert "req_1" in str(final_error(error, one))
            assert [line["exc_info"] for line in lines] == [error]
            one.end(error)  # the runner logs outcomes
            final_error(error, one)
            final_error(ApiError(504, "request_timeout", "Too long."), one)
            assert len(lines) == 1

    run(test)
