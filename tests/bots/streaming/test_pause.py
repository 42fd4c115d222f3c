"""Pauses, the timer that resumes them, and the queue whose reader pauses."""

import threading
import time
from collections.abc import Iterator

import pytest

from bots.streaming.pause import TICK, Pause, PauseTimer, PausingQueue, wait_at_pauses


@pytest.fixture
def timer() -> Iterator[PauseTimer]:
    made = PauseTimer()
    yield made
    made.close()


def test_a_timer_resumes_in_order_of_time_and_never_early(timer: PauseTimer) -> None:
    now = time.monotonic()
    late: dict[int, float] = {}
    done = threading.Event()

    def note(ticks: int) -> None:
        late[ticks] = time.monotonic() - (now + ticks * TICK)
        if len(late) == 4:
            done.set()

    for ticks in (6, 2, 0, 4):
        timer.pause(now + ticks * TICK).arm(lambda ticks=ticks: note(ticks))  # type: ignore[misc]
    assert done.wait(10)
    assert list(late) == [0, 2, 4, 6]
    assert min(late.values()) >= 0


def test_waiting_blocks_until_it_is_time(timer: PauseTimer) -> None:
    due = time.monotonic() + 2 * TICK
    timer.pause(due).wait()
    assert time.monotonic() >= due


def test_closing_a_timer_resumes_waiting_and_later_pauses() -> None:
    timer = PauseTimer()
    resumed = threading.Semaphore(0)
    timer.pause(time.monotonic() + 3600).arm(resumed.release)
    timer.close()
    assert resumed.acquire(timeout=10)
    timer.pause(time.monotonic() + 3600).wait()


def test_a_paused_reader_runs_in_the_thread_that_puts_the_item() -> None:
    queue: PausingQueue[int] = PausingQueue()
    items = queue.read()
    seen: list[tuple[int, threading.Thread]] = []

    def go_on() -> None:
        for item in items:
            if isinstance(item, Pause):
                item.arm(go_on)
                return
            seen.append((item, threading.current_thread()))

    queue.put(1)
    go_on()
    other = threading.Thread(target=lambda: [queue.put(item) for item in (2, 3)])  # type: ignore[func-returns-value]
    other.start()
    other.join()
    assert seen == [(1, threading.current_thread()), (2, other), (3, other)]


def test_an_item_between_a_pause_and_its_arming_is_not_lost() -> None:
    queue: PausingQueue[int] = PausingQueue()
    items = queue.read()
    pause = next(items)
    assert isinstance(pause, Pause)
    queue.put(1)
    resumed: list[bool] = []
    pause.arm(lambda: resumed.append(True))
    assert resumed
    assert next(items) == 1


def test_wait_at_pauses_closes_its_source() -> None:
    closed: list[bool] = []

    def source() -> Iterator[int | Pause]:
        try:
            yield 1
            yield Pause(lambda resume: resume())
            yield 2
        finally:
            closed.append(True)

    found = wait_at_pauses(source())
    assert next(found) == 1
    assert next(found) == 2
    found.close()
    assert closed == [True]
