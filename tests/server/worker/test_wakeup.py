"""Rounds of wake-ups: when they run, and that none is lost between threads and loop."""

import asyncio
import threading

from server.worker.wakeup import WakeUp, call_in_loop
from tests.server.worker.conftest import run


def test_the_first_request_runs_at_once_and_the_next_share_a_round() -> None:
    async def test() -> None:
        wakeup, woken = WakeUp(asyncio.get_running_loop(), interval=0.05), list[str]()
        done = asyncio.Event()
        wakeup.request(lambda: woken.append("a"), at_once=False)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert woken == ["a"]
        wakeup.request(lambda: woken.append("b"), at_once=False)
        wakeup.request(done.set, at_once=False)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert woken == ["a"]
        async with asyncio.timeout(10):
            await done.wait()
        assert woken == ["a", "b"]

    run(test)


def test_an_urgent_request_runs_what_waits_for_a_round() -> None:
    async def test() -> None:
        wakeup, woken = WakeUp(asyncio.get_running_loop(), interval=3600), list[str]()
        urgent = asyncio.Event()
        for name in "ab":
            wakeup.request(lambda name=name: woken.append(name), at_once=False)  # type: ignore[misc]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert woken == ["a"]
        wakeup.request(urgent.set, at_once=True)
        async with asyncio.timeout(10):
            await urgent.wait()
        assert woken == ["a", "b"]

    run(test)


def test_no_wake_up_of_many_threads_is_lost() -> None:
    """Without pauses between rounds the loop often finds nothing to do, where one could be lost."""
    threads, each = 4, 2000

    async def test() -> None:
        loop, count, done = asyncio.get_running_loop(), 0, asyncio.Event()
        wakeup = WakeUp(loop, interval=0)

        def woken() -> None:
            nonlocal count
            count += 1
            if count == threads * each:
                done.set()

        def ask() -> None:
            for _ in range(each):
                wakeup.request(woken, at_once=False)

        askers = [threading.Thread(target=ask) for _ in range(threads)]
        for asker in askers:
            asker.start()
        async with asyncio.timeout(60):
            await done.wait()
        for asker in askers:
            asker.join()

    run(test)


def test_a_loop_that_has_ended_is_no_error() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    call_in_loop(loop, print)
