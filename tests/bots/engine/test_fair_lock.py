"""The lock is granted in the order of asking, also beside threads that work in a loop."""

import threading

from bots.engine.fair_lock import FairLock
from tests.support import eventually


def test_threads_in_a_loop_do_not_starve_others() -> None:
    lock, ended = FairLock(), threading.Event()
    rounds = 0

    def loop() -> None:
        nonlocal rounds
        while not ended.is_set():
            with lock:
                rounds += 1

    threads = [threading.Thread(target=loop) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        with lock:
            before = rounds
            for _ in range(100):
                assert rounds == before  # no other thread holds it
            lock.hand_over()
    ended.set()
    for thread in threads:
        thread.join()


def test_it_is_granted_in_the_order_of_asking() -> None:
    lock, order = FairLock(), []

    def take(name: int) -> None:
        with lock:
            order.append(name)

    threads = []
    with lock:
        for name in range(5):
            threads.append(threading.Thread(target=take, args=(name,)))
            threads[-1].start()
            eventually(lambda: lock.waiting == len(threads), "one more who waits")
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_the_number_of_waiting_threads() -> None:
    lock = FairLock()
    assert lock.waiting == 0

    def use() -> None:
        with lock:
            pass

    with lock:
        thread = threading.Thread(target=use)
        thread.start()
        eventually(lambda: lock.waiting == 1, "a thread that waits")
    thread.join()
    assert lock.waiting == 0
