"""What a worker's answers, and its silence, make of its health."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from server.hub.health import HealthPolicy, Unreachable, fetch_readiness, poll_health
from server.hub.registry import Member, Registry
from server.hub.schema import Health, NewWorker

QUICK = HealthPolicy(fast=0, slow=0)
Handler = Callable[[httpx.Request], httpx.Response]


def member() -> Member:
    return Member("id", "Mine", "http://worker:1", "registered", api_key="key")


def asked(handler: Handler) -> str:
    """The state that one question finds, or why there is none."""

    async def main() -> str:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            try:
                return (await fetch_readiness(client, member(), HealthPolicy())).state
            except Unreachable as error:
                return str(error)

    return asyncio.run(main())


def test_a_question_carries_the_key() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://worker:1/readyz"
        assert request.headers["authorization"] == "Bearer key"
        return httpx.Response(200, json={"state": "ready"})

    assert asked(handler) == "ready"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(302, headers={"Location": "http://elsewhere"}), "redirect"),
        (httpx.Response(200, text="<html>"), "not a ChatZoo worker"),
        (httpx.Response(404, json={"detail": "Not Found"}), "status 404"),
        (httpx.Response(200, json={"state": "sleepy"}), "not a ChatZoo worker"),
        (httpx.Response(200, content=b" " * 10**6), "not a ChatZoo worker"),
    ],
)
def test_what_is_no_worker(response: httpx.Response, reason: str) -> None:
    assert reason in asked(lambda _: response)


def test_nothing_there() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    def hang(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)

    assert asked(refuse) == "Cannot be reached: refused."
    assert asked(hang) == "No answer within 2 seconds."


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://worker:1", "TOPSECRET\n"),
        ("http://worker:1", "TOPSECRET schlüssel"),
        ("http://worker:1", "TOPSECRET\udcff"),
        ("http://☃☃-.com", "TOPSECRET"),
    ],
)
def test_what_cannot_be_sent_is_named_without_the_key(url: str, key: str) -> None:
    async def main() -> str:
        mine = Member("id", "Mine", url, "registered", api_key=key)
        # The real transport: it is the one that looks at headers. Nothing is sent.
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(Unreachable) as caught:
                await fetch_readiness(client, mine, HealthPolicy())
        return str(caught.value)

    with socket.create_server(("127.0.0.1", 0)) as there:
        url = url.replace("worker:1", f"127.0.0.1:{there.getsockname()[1]}")
        reason = asyncio.run(main())
    assert reason == "Its URL or API key cannot be sent."


def polled(
    answers: list[httpx.Response | None],
    source: str,
    on_hang: Callable[[], None] | None = None,
    policy: HealthPolicy = QUICK,
) -> list[Health]:
    """The healths that a worker has while it gives these answers; None is silence."""
    seen: list[Health] = []
    left = iter(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        found = next(left, "end")
        if found == "end":
            raise asyncio.CancelledError
        if found is None:
            raise httpx.ConnectError("refused", request=request)
        assert isinstance(found, httpx.Response)
        return found

    async def main() -> None:
        registry = Registry()
        registry.listeners.append(lambda who, before: seen.append(who.health))
        mine = registry.register(NewWorker(name="Mine", url="worker"))
        mine.source = "zoo" if source == "zoo" else "registered"
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            with contextlib.suppress(asyncio.CancelledError):
                await poll_health(client, registry, mine, policy, on_hang)

    asyncio.run(main())
    return seen


LOADING = httpx.Response(
    503,
    json={
        "error": {"message": "The model is still loading.", "type": "x", "code": "model_loading"},
        "state": "loading",
        "progress": {"stage": "weights", "fraction": 0.5},
    },
)
READY = httpx.Response(200, json={"state": "ready"})
FAILED = httpx.Response(
    503, json={"error": {"message": "No file.", "type": "x"}, "state": "failed", "progress": None}
)


def test_from_starting_to_ready() -> None:
    seen = polled([None, None, None, None, LOADING, READY, READY], "zoo")
    assert [health.state for health in seen] == ["loading", "ready"]
    assert seen[0].progress is not None
    assert seen[0].progress.fraction == 0.5
    assert seen[0].error is None
    assert seen[1].progress is None


def test_a_worker_is_down_after_three_misses_in_a_row() -> None:
    assert [h.state for h in polled([READY, None, None, READY, None, None, None], "zoo")] == [
        "ready",
        "down",
    ]


@pytest.mark.parametrize(
    ("answers", "hangs"),
    [
        ([READY, None, None, None], 1),
        ([FAILED, None, None, None], 1),
        ([READY, None, None], 0),
        ([READY, None, None, READY, None, None], 0),
        # llama.cpp lets no other thread run while it loads a file.
        ([LOADING, None, None, None, None], 0),
        ([None, None, None, None, None], 0),
    ],
)
def test_a_worker_that_has_answered_and_is_silent_for_long_hangs(
    answers: list[httpx.Response | None], hangs: int
) -> None:
    found: list[None] = []
    polled(answers, "zoo", lambda: found.append(None), policy=replace(QUICK, hangs_after=0))
    assert len(found) == hangs


def test_a_worker_hangs_only_after_a_minute() -> None:
    found: list[None] = []
    polled([READY, *[None] * 20], "zoo", lambda: found.append(None))
    assert found == []


def test_a_settled_worker_is_polled_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("server.hub.health.asyncio.sleep", note)
    polled([None, LOADING, READY, FAILED], "zoo", policy=HealthPolicy(fast=1, slow=5))
    assert pauses == [1, 1, 5, 5]


def test_a_registered_worker_that_was_never_there_is_down_at_once() -> None:
    (down,) = polled([None], "registered")
    assert (down.state, down.error) == ("down", "Cannot be reached: refused.")


def test_the_reason_of_a_failed_model_is_shown() -> None:
    (failed,) = polled([FAILED], "zoo")
    assert (failed.state, failed.error) == ("failed", "No file.")
