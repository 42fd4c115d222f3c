"""Times of a request, as the wire gives them."""

from server.worker.timings import Timings


def test_the_rate_counts_the_tokens_after_the_first() -> None:
    timings = Timings(arrived=1, submitted=1.2, admitted=1.5, first_token=2, last_token=4, ended=5)
    assert timings.summary(11) == {
        "queue_ms": 300,
        "ttft_ms": 1000,
        "total_ms": 4000,
        "tokens_per_second": 5.0,
    }


def test_a_request_without_tokens_has_no_rate_and_no_first_token() -> None:
    timings = Timings(arrived=1, submitted=1, ended=2)
    assert timings.summary(0) == {
        "queue_ms": 1000,
        "ttft_ms": None,
        "total_ms": 1000,
        "tokens_per_second": None,
    }


def test_gaps_lie_between_tokens() -> None:
    timings = Timings(arrived=0, submitted=0)
    for now in (1.0, 1.5, 3.5):
        timings.record_token(now)
    assert (timings.first_token, timings.last_token, timings.gaps) == (1.0, 3.5, [0.5, 2.0])
