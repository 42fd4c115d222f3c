"""The client of a worker: requests, answers from events, errors."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.client.worker import Answer, WorkerClient, WorkerError

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "cached_tokens": 0}
TIMINGS = {"queue_ms": 1, "ttft_ms": 2, "total_ms": 3, "tokens_per_second": None}
START = {"id": "req_1", "model": "m", "prompt_tokens": 3, "queue_ms": 1, "dropped_turns": 0}
DONE = {"finish_reason": "stop", "usage": USAGE, "timings": TIMINGS}


def frame(event: str, data: object) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


WHOLE = b"".join(
    [
        frame("queued", {"id": "req_1", "position": 2}),
        b": ping\n\n",
        frame("start", START),
        frame("delta", {"reasoning": "hm"}),
        frame("delta", {"text": "你好 "}),
        frame("weather", {"sun": True}),
        frame("delta", {"text": "👩‍👩‍👧 \u2028"}),
        frame("replace", {"text": "你好 👩‍👩‍👧!"}),
        frame("done", DONE),
    ]
)


class Pieces(httpx.AsyncByteStream):
    """A body that arrives in pieces, and may break."""

    def __init__(self, pieces: Iterable[bytes], error: Exception | None = None) -> None:
        self.pieces = pieces
        self.error = error
        self.closed = False

    async def __aiter__(self) -> Any:
        for piece in self.pieces:
            yield piece
        if self.error:
            raise self.error

    async def aclose(self) -> None:
        self.closed = True


def stream(body: httpx.AsyncByteStream | bytes) -> httpx.Response:
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    if isinstance(body, bytes):
        return httpx.Response(200, content=body, headers=headers)
    return httpx.Response(200, stream=body, headers=headers)


def ask(response: httpx.Response | Exception, **how: Any) -> tuple[list[str], Answer]:
    """The texts that an answer went through, and what it was in the end."""
    seen: list[str] = []
    final = Answer()

    def handler(request: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return response

    async def main() -> None:
        nonlocal final
        transport = httpx.MockTransport(handler)
        async with WorkerClient("worker:1", transport=transport, **how) as client:
            async for answer in client.generate([{"role": "user", "content": "hi"}]):
                final = answer
                seen.append(answer.text)

    try:
        asyncio.run(main())
    except WorkerError as error:
        error.add_note(final.text)
        raise
    return seen, final


def cut(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    ends = sorted({place % len(data) for place in places} | {len(data)})
    for start, end in zip([0, *ends], ends, strict=False):
        yield data[start:end]


@given(st.lists(st.integers(0, 10_000), max_size=30))
def test_an_answer_does_not_depend_on_how_its_bytes_arrive(places: list[int]) -> None:
    _, answer = ask(stream(Pieces(cut(WHOLE, places))))
    assert (answer.text, answer.reasoning) == ("你好 👩‍👩‍👧!", "hm")
    assert answer.finish_reason == "stop"


def test_a_whole_answer() -> None:
    seen, answer = ask(stream(WHOLE))
    assert seen[0] == ""
    assert seen[-1] == "你好 👩‍👩‍👧!"
    assert answer.id == "req_1"
    assert answer.place is None
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2
    assert answer.timings is not None
    assert answer.timings.ttft_ms == 2


def test_a_replacement_may_be_of_the_reasoning_too() -> None:
    answer = Answer(text="a", reasoning="r")
    answer.apply("replace", '{"text": "b"}')
    assert (answer.text, answer.reasoning) == ("b", "r")
    answer.apply("replace", '{"text": "c", "reasoning": ""}')
    assert (answer.text, answer.reasoning) == ("c", "")


def test_the_request() -> None:
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return stream(WHOLE)

    async def main() -> None:
        transport = httpx.MockTransport(handler)
        async with WorkerClient("worker:1", "key", transport) as client:
            messages = [{"role": "user", "content": "hi"}]
            async for _ in client.generate(messages, {"seed": 1}, "Be brief."):
                pass

    asyncio.run(main())
    assert sent[0].headers["authorization"] == "Bearer key"
    assert json.loads(sent[0].content) == {
        "messages": [{"role": "user", "content": "hi"}],
        "params": {"seed": 1},
        "stream": True,
        "system": "Be brief.",
    }


@pytest.mark.parametrize(
    ("response", "code", "expected", "text"),
    [
        (stream(frame("start", START)), "broken_stream", "has no end", ""),
        (
            stream(frame("start", START) + frame("delta", {"text": "so far"})),
            "broken_stream",
            "has no end",
            "so far",
        ),
        (
            stream(Pieces([frame("start", START)], httpx.ReadError("reset"))),
            "broken_stream",
            "broke off: reset",
            "",
        ),
        (
            stream(
                frame("delta", {"text": "half"})
                + frame("error", {"error": {"message": "Full.", "type": "x", "code": "oom"}})
            ),
            "oom",
            "Full.",
            "half",
        ),
        (stream(frame("delta", {"text": 3})), "broken_stream", "an invalid", ""),
        (stream(b"event: done\ndata: {\n\n"), "broken_stream", "an invalid", ""),
        (
            httpx.Response(
                429, json={"error": {"message": "Later.", "type": "x", "code": "queue_full"}}
            ),
            "queue_full",
            "Later.",
            "",
        ),
        (httpx.Response(502, text="<html>"), "unreachable", "not a ChatZoo worker", ""),
        (httpx.Response(200, json={"text": "no stream"}), "unreachable", "not a ChatZoo", ""),
        (
            httpx.Response(307, headers={"Location": "http://elsewhere"}),
            "unreachable",
            "status 307",
            "",
        ),
        (httpx.ConnectError("refused"), "unreachable", "http://worker:1 cannot be reached", ""),
    ],
)
def test_failures_are_raised_and_keep_the_text(
    response: httpx.Response | Exception, code: str, expected: str, text: str
) -> None:
    with pytest.raises(WorkerError) as caught:
        ask(response)
    assert caught.value.code == code
    assert expected in caught.value.message
    assert caught.value.__notes__ == [text]


def test_leaving_early_closes_the_stream() -> None:
    body = Pieces([frame("start", START), frame("delta", {"text": "a"})] * 3)

    async def main() -> None:
        transport = httpx.MockTransport(lambda request: stream(body))
        async with WorkerClient("worker:1", transport=transport) as client:
            answers = client.generate([{"role": "user", "content": "hi"}])
            await anext(answers)
            assert not body.closed
            await answers.aclose()
            assert body.closed

    asyncio.run(main())


def test_info_and_settings() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        bodies = {"/info": {"name": "Mine"}, "/params": {"properties": {"seed": {}}}}
        return httpx.Response(200, json=bodies[request.url.path])

    async def main() -> None:
        transport = httpx.MockTransport(handler)
        async with WorkerClient("worker:1", transport=transport) as client:
            assert (await client.info())["name"] == "Mine"
            assert list(await client.settings()) == ["seed"]

    asyncio.run(main())


def test_what_is_no_url() -> None:
    with pytest.raises(ValueError, match="begins with http"):
        WorkerClient("ftp://worker")
