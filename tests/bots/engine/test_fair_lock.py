"""Turns go round, also to those who would come too late for a lock."""

import threading

from bots.engine.fair_lock import Turns
from tests.support import eventually


def test_one_who_works_in_a_loop_leaves_room_for_others() -> None:
    turns, ended = Turns(), threading.Event()
    rounds = 0

    def loop() -> None:
        nonlocal rounds
        while not ended.is_set():
            with turns:
                rounds += 1

    threads = [threading.Thread(target=loop) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        with turns:
            before = rounds
            for _ in range(100):
                assert rounds == before  # nobody else is in
            turns.pass_on()
    ended.set()
    for thread in threads:
        thread.join()


def test_turns_are_given_in_order() -> None:
    turns, order = Turns(), []

    def take(name: int) -> None:
        with turns:
            order.append(name)

    threads = []
    with turns:
        for name in range(5):
            threads.append(threading.Thread(target=take, args=(name,)))
            threads[-1].start()
            eventually(lambda: len(turns._waiting) == len(threads), "one more who waits")
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
