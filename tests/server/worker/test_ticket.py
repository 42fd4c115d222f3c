"""One request between threads and loop: order, merged deltas, errors, leaving, time limit."""

import asyncio

import pytest

from bots.events import Delta, Done, Start, Usage
from server.http.errors import ApiError
from server.worker.ticket import Call, Queued, Ticket
from server.worker.wakeup import WakeUp
from tests.server.worker.conftest import GatedBot, all_of, prepared, run, runner_of, submit, until

DONE = Done("stop", Usage())


def ticket(
    released: list[Ticket] | None = None, *, timeout: float = 60, wake_interval: float = 0.001
) -> Ticket:
    wakeup = WakeUp(asyncio.get_running_loop(), wake_interval)
    gone: list[Ticket] = [] if released is None else released
    return Ticket(Call("a"), prepared(), wakeup, timeout=timeout, on_release=gone.append)


def test_neighbouring_deltas_are_merged() -> None:
    async def test() -> None:
        one = ticket()
        for item in (Queued(1), Start(1, 0), Delta("a", token_ids=(1,)), Delta("b", "r"), DONE):
            one.put(item)
        assert await all_of(one) == [
            Queued(1),
            Start(1, 0),
            Delta("ab", "r", token_ids=(1,)),
            DONE,
        ]

    run(test)


def test_an_exception_is_raised_after_the_events_before_it() -> None:
    async def test() -> None:
        one = ticket()
        one.put(Delta("a"))
        one.put(KeyError("broken"))
        events = one.events()
        assert await anext(events) == Delta("a")
        with pytest.raises(KeyError, match="broken"):
            await anext(events)

    run(test)


def test_the_first_outcome_stays() -> None:
    async def test() -> None:
        one = ticket()
        one.end(DONE)
        ended = one.timings.ended
        assert isinstance(one.end(KeyError()), KeyError)
        assert (one.outcome, one.timings.ended) == (DONE, ended)

    run(test)


def test_a_ticket_is_released_when_its_reader_leaves_or_is_cancelled() -> None:
    async def test() -> None:
        released: list[Ticket] = []
        left, cancelled = ticket(released), ticket(released)
        left.put(Start(1, 0))
        events = left.events()
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        assert released == [left]
        reader = asyncio.create_task(all_of(cancelled))
        await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert released == [left, cancelled]

    run(test)


def test_the_time_limit_counts_from_the_arrival() -> None:
    async def test() -> None:
        released: list[Ticket] = []
        late = ticket(released, timeout=0)
        with pytest.raises(ApiError) as error:
            await all_of(late)
        assert error.value.status == 504
        assert error.value is late.outcome
        assert released[0] is late

    run(test)


def test_deltas_that_arrive_together_are_one() -> None:
    async def test() -> None:
        bot = GatedBot()
        async with runner_of(bot) as runner:
            events = submit(runner, "a").events()
            assert isinstance(await anext(events), Start)
            bot.gate.release(5)
            await until(lambda: bot.steps == 5)
            text = ""
            while len(text) < 5:
                event = await anext(events)
                assert isinstance(event, Delta)
                text += event.text
            assert text == "xxxxx"

    run(test)


def test_start_first_token_and_end_wait_for_no_round() -> None:
    async def test() -> None:
        bot = GatedBot()
        async with runner_of(bot, wake_interval=3600) as runner, asyncio.timeout(10):
            one = submit(runner, "a")
            events = one.events()
            assert isinstance(await anext(events), Start)
            bot.gate.release()
            assert await anext(events) == Delta("x")
            for _ in range(2):
                bot.gate.release()
            await until(lambda: bot.steps == 3)
            one.stop.set()
            rest = [event async for event in events]
            assert rest[0] == Delta("xx")
            assert isinstance(rest[1], Done)

    run(test)
