"""Pauses: resumed in order of time by one thread; and a bot that pauses, read in both ways."""

import threading
import time
from collections.abc import Iterator

import pytest

from bots.backends.echo import EchoBot
from bots.events import Delta, Done, Message
from bots.streaming.pause import TICK, Clock, Mailbox, Pause, waited


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
    for event in bot.run_pausing(bot.prepare(messages, settings), threading.Event()):
        if isinstance(event, Pause):
            event.wait()
        in_turns.append(event)
    assert any(isinstance(event, Pause) for event in in_turns)
    assert [e for e in in_turns if not isinstance(e, Pause)] == events
    assert isinstance(events[-1], Done)
    bot.close()


def test_a_reader_goes_on_in_the_thread_that_brings_the_items() -> None:
    box: Mailbox[int] = Mailbox()
    items = box.read()
    seen: list[tuple[int, threading.Thread]] = []

    def go_on() -> None:
        for item in items:
            if isinstance(item, Pause):
                item.arm(go_on)
                return
            seen.append((item, threading.current_thread()))

    box.put(1)
    go_on()
    other = threading.Thread(target=lambda: [box.put(item) for item in (2, 3)])  # type: ignore[func-returns-value]
    other.start()
    other.join()
    assert seen == [(1, threading.current_thread()), (2, other), (3, other)]


def test_an_item_between_a_pause_and_its_arming_is_not_lost() -> None:
    box: Mailbox[int] = Mailbox()
    items = box.read()
    pause = next(items)
    assert isinstance(pause, Pause)
    box.put(1)
    resumed: list[bool] = []
    pause.arm(lambda: resumed.append(True))
    assert resumed
    assert next(items) == 1


def test_waiting_for_items_closes_their_source() -> None:
    closed: list[bool] = []

    def source() -> Iterator[int | Pause]:
        try:
            yield 1
            yield Pause(lambda resume: resume())
            yield 2
        finally:
            closed.append(True)

    found = waited(source())
    assert next(found) == 1
    assert next(found) == 2
    found.close()
    assert closed == [True]
