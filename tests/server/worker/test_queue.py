"""The bounded queue: places, order, positions, names of requests."""

import asyncio

import pytest

from server.http.errors import ApiError
from server.worker.queue import RequestQueue
from server.worker.ticket import Call, Queued, Ticket
from server.worker.wakeup import WakeUp
from tests.server.worker.conftest import prepared, run


def ticket(name: str) -> Ticket:
    wakeup = WakeUp(asyncio.get_running_loop())
    return Ticket(Call(name), prepared(), wakeup, timeout=60, on_release=lambda _: None)


def queue_of(max_running: int, max_waiting: int) -> RequestQueue:
    queue = RequestQueue(max_waiting)
    queue.max_running = max_running
    return queue


def test_requests_run_then_wait_then_are_refused() -> None:
    async def test() -> None:
        queue = queue_of(1, 2)
        assert [queue.add(ticket(name)) for name in "abc"] == [True, False, False]
        assert (queue.count_running(), queue.count_waiting()) == (1, 2)
        with pytest.raises(ApiError) as full:
            queue.check_capacity(1)
        assert (full.value.status, full.value.headers["Retry-After"]) == (429, "1")
        assert str(full.value) == "1 requests run and 2 wait; try again shortly."

    run(test)


def test_capacity_counts_places_to_run_and_to_wait() -> None:
    async def test() -> None:
        queue = queue_of(2, 1)
        queue.check_capacity(3)
        with pytest.raises(ApiError):
            queue.check_capacity(4)

    run(test)


def test_waiting_requests_run_in_order_of_arrival() -> None:
    async def test() -> None:
        queue = queue_of(1, 2)
        first, second, third = (ticket(name) for name in "abc")
        for one in (first, second, third):
            queue.add(one)
        assert queue.finish(first) is second
        assert queue.finish(second) is third
        assert queue.finish(third) is None
        assert await anext(third.events()) == Queued(2)

    run(test)


def test_one_that_gives_up_frees_its_place() -> None:
    async def test() -> None:
        queue = queue_of(1, 2)
        first, second, third = (ticket(name) for name in "abc")
        for one in (first, second, third):
            queue.add(one)
        assert queue.remove_waiting(second)
        assert not queue.remove_waiting(second)
        assert not queue.remove_waiting(first)
        assert queue.waiting == [third]
        events = third.events()
        assert [await anext(events), await anext(events)] == [Queued(2), Queued(1)]
        assert queue.clear_waiting() == [third]
        assert queue.count_waiting() == 0

    run(test)


def test_a_request_is_found_with_all_its_prompts() -> None:
    async def test() -> None:
        queue = queue_of(2, 2)
        tickets = [ticket(name) for name in ("a", "a-1", "ab", "a-2")]
        for one in tickets:
            queue.add(one)
        assert {one.id for one in queue.find("a")} == {"a", "a-1", "a-2"}
        assert queue.find("nobody") == []

    run(test)
