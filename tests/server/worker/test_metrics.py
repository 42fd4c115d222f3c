"""What the metrics count, and what they read when they are rendered."""

from bots.events import Done, Usage
from server.http.errors import ApiError
from server.worker.metrics import Metrics


def test_answers_count_their_tokens_and_failures_their_code() -> None:
    metrics = Metrics()
    metrics.count(Done("length", Usage(3, 5, 2)), 1.5)
    metrics.count(ApiError(504, "request_timeout", "Too long."), 600)
    metrics.count(KeyError("a private prompt"), 1)
    metrics.count(None, 1)
    text = metrics.render().decode()
    for line in (
        'chatzoo_request_success_total{finished_reason="length"} 1.0',
        'chatzoo_request_errors_total{code="request_timeout"} 1.0',
        'chatzoo_request_errors_total{code="internal_error"} 1.0',
        "chatzoo_prompt_tokens_total 3.0",
        "chatzoo_generation_tokens_total 5.0",
        "chatzoo_cached_tokens_total 2.0",
        "chatzoo_e2e_request_latency_seconds_count 4.0",
    ):
        assert line in text
    assert "private" not in text


def test_gauges_are_read_when_rendered() -> None:
    metrics = Metrics()
    running = 1
    metrics.watch(lambda: running, lambda: 2)
    metrics.watch_memory(lambda: {"weights": 7})
    running = 3
    text = metrics.render().decode()
    assert "chatzoo_num_requests_running 3.0" in text
    assert "chatzoo_num_requests_waiting 2.0" in text
    assert 'chatzoo_memory_bytes{kind="weights"} 7.0' in text
