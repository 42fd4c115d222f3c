"""The report of the streams' benchmark."""

from benchmarks.streams import Result, report


def test_a_run_is_reported_by_event_and_by_token() -> None:
    late = [0.001 * ms for ms in range(1, 1000)]
    text = report([Result(2, 999, 500, 0.04, late)], 50, "a quiet machine")
    assert "50 tokens a second in each stream; a quiet machine." in text
    assert "| 2 | 999 | 500 | 80 | 500.0 | 990.0 |" in text
