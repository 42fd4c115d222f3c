"""Pauses: resumed in order of time by one thread; and a bot that pauses, read in both ways."""

import threading
import time
from collections.abc import Iterator

import pytest

from bots.echo_bot import EchoBot
from bots.events import Delta, Done, Message
from bots.pause import TICK, Clock, Pause


@pytest.fixture
def clock() -> Iterator[Clock]:
    made = Clock()
    yield made
    made.close()


def test_a_clock_resumes_in_order_of_time_and_never_early(clock: Clock) -> None:
    now = time.monotonic()
    late: dict[int, float] = {}
    done = threading.Event()

    def note(ticks: int) -> None:
        late[ticks] = time.monotonic() - (now + ticks * TICK)
        if len(late) == 4:
            done.set()

    for ticks in (6, 2, 0, 4):
        clock.pause(now + ticks * TICK).arm(lambda ticks=ticks: note(ticks))  # type: ignore[misc]
    assert done.wait(10)
    assert list(late) == [0, 2, 4, 6]
    assert min(late.values()) >= 0


def test_waiting_blocks_until_it_is_time(clock: Clock) -> None:
    due = time.monotonic() + 2 * TICK
    clock.pause(due).wait()
    assert time.monotonic() >= due


def test_closing_a_clock_resumes_who_waits_and_who_comes_later() -> None:
    clock = Clock()
    resumed = threading.Semaphore(0)
    clock.pause(time.monotonic() + 3600).arm(resumed.release)
    clock.close()
    assert resumed.acquire(timeout=10)
    clock.pause(time.monotonic() + 3600).wait()


def test_a_bot_that_pauses_waits_in_chat_and_yields_its_pauses_in_turns() -> None:
    bot = EchoBot()
    bot.load()
    settings = bot.Settings.parse({"rate": 20})
    messages = [Message("user", "one two three")]
    events = list(bot.chat(messages, settings))
    assert not any(isinstance(event, Pause) for event in events)
    assert "".join(e.text for e in events if isinstance(e, Delta)) == "one two three"

    in_turns = []
    for event in bot.run_in_turns(bot.prepare(messages, settings), threading.Event()):
        if isinstance(event, Pause):
            event.wait()
        in_turns.append(event)
    assert any(isinstance(event, Pause) for event in in_turns)
    assert [e for e in in_turns if not isinstance(e, Pause)] == events
    assert isinstance(events[-1], Done)
    bot.close()
