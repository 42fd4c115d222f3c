"""Delays before a worker is started again."""

from server.hub.restarts import Backoff, RestartPolicy


def test_delays_double_up_to_half_a_minute() -> None:
    backoff = Backoff(RestartPolicy())
    assert [backoff.next_delay(0.1) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_after_a_minute_of_running_the_delay_is_the_first_again() -> None:
    backoff = Backoff(RestartPolicy())
    assert [backoff.next_delay(ran) for ran in (0, 0, 0, 61, 0)] == [1, 2, 4, 1, 2]
