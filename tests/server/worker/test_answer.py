"""Whole answers: how events add up, and when collecting them ends."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import Request
from starlette.types import Message

from bots.events import Delta, Done, PromptScored, Replace, Start, TokenLogprob, Usage
from server.http.errors import ApiError
from server.worker.answer import Answer, collect
from server.worker.ticket import Call, Queued, Ticket, TicketEvent
from server.worker.wakeup import WakeUp
from tests.server.worker.conftest import prepared, run

DONE = Done("stop", Usage(1, 2, 0))


def answer_of(*events: TicketEvent) -> Answer:
    answer = Answer()
    for event in events:
        answer.apply(event)
    return answer


def test_deltas_are_appended() -> None:
    scored = TokenLogprob(1, "a", -0.5)
    answer = answer_of(
        Queued(1),
        Start(1, 0),
        PromptScored((scored,)),
        Delta("a", "r", (1,), (scored,)),
        Delta("b", "s", (2,)),
    )
    assert (answer.text, answer.reasoning, answer.token_ids) == ("ab", "rs", [1, 2])
    assert (answer.logprobs, answer.prompt_logprobs) == ([scored], (scored,))
    assert (answer.done, answer.usage) == (None, Usage())


def test_a_replacement_replaces_only_what_it_has() -> None:
    answer = answer_of(Delta("a", "r", (1,)), Replace("b", None, None))
    assert (answer.text, answer.reasoning, answer.token_ids) == ("b", "r", [1])
    answer.apply(Replace("c", "s", (3,)))
    assert (answer.text, answer.reasoning, answer.token_ids) == ("c", "s", [3])


def request(disconnected: asyncio.Event) -> Request:
    async def receive() -> Message:
        await disconnected.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http"}, receive)


def tickets(released: list[Ticket], names: str) -> Sequence[Ticket]:
    wakeup = WakeUp(asyncio.get_running_loop())
    return [
        Ticket(Call(name), prepared(), wakeup, timeout=60, on_release=released.append)
        for name in names
    ]


def test_answers_come_in_the_order_of_the_tickets() -> None:
    async def test() -> None:
        first, second = tickets([], "ab")
        for ticket in (second, first):
            ticket.put(Delta(ticket.id))
            ticket.put(DONE)
        found = await collect(request(asyncio.Event()), first, second)
        assert [(answer.text, answer.usage) for answer in found] == [
            ("a", DONE.usage),
            ("b", DONE.usage),
        ]

    run(test)


def test_a_failure_of_one_stops_all() -> None:
    async def test() -> None:
        released: list[Ticket] = []
        first, second = tickets(released, "ab")
        second.put(KeyError("broken"))
        with pytest.raises(KeyError):
            await collect(request(asyncio.Event()), first, second)
        assert {first, second} <= {*released}

    run(test)


def test_a_disconnect_stops_all() -> None:
    async def test() -> None:
        released: list[Ticket] = []
        disconnected = asyncio.Event()
        disconnected.set()
        one, two = tickets(released, "ab")
        with pytest.raises(ApiError) as left:
            await collect(request(disconnected), one, two)
        assert left.value.status == 499
        assert {one, two} <= {*released}

    run(test)
