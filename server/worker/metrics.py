"""Prometheus metrics of a worker.

Names are those of vLLM with another prefix, so that its dashboards can be used.
"""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bots.events import Done
from server.http.errors import error_code

# Buckets from the fastest echo to the longest request that the default limits allow.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """The metrics of one worker, in a registry of their own: tests run several in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def histogram(name: str, text: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
            return Histogram(name, text, buckets=buckets, registry=self.registry)

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        self.ttft = histogram("chatzoo_time_to_first_token_seconds", "Arrival to first token")
        self.inter_token = histogram(
            "chatzoo_inter_token_latency_seconds", "Between two tokens", _TOKEN_SECONDS
        )
        self.e2e = histogram("chatzoo_e2e_request_latency_seconds", "Arrival to end")
        self.queue_time = histogram("chatzoo_request_queue_time_seconds", "Waiting for a place")
        self._running = Gauge(
            "chatzoo_num_requests_running", "Requests that decode", registry=self.registry
        )
        self._waiting = Gauge(
            "chatzoo_num_requests_waiting", "Requests that wait", registry=self.registry
        )
        self.prompt_tokens = counter("chatzoo_prompt_tokens", "Tokens of prompts")
        self.generation_tokens = counter("chatzoo_generation_tokens", "Tokens of answers")
        self.cached_tokens = counter("chatzoo_cached_tokens", "Prompt tokens that were reused")
        self._memory = Gauge(
            "chatzoo_memory_bytes", "Memory that the model holds", ["kind"], registry=self.registry
        )
        self._read_memory: Callable[[], Mapping[str, int]] = dict
        self.success = counter("chatzoo_request_success", "Answers", ("finished_reason",))
        self.errors = counter("chatzoo_request_errors", "Failures", ("code",))

    def watch_memory(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Read the bytes of each kind with `read()` whenever the metrics are rendered."""
        self._read_memory = read

    def watch(self, running: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Read the two gauges with these functions whenever the metrics are rendered."""
        self._running.set_function(running)
        self._waiting.set_function(waiting)

    def count(self, outcome: Done | BaseException | None, seconds: float) -> None:
        """Count a request that ended with `outcome`, `seconds` after it arrived."""
        self.e2e.observe(seconds)
        if isinstance(outcome, Done):
            self.success.labels(outcome.finish_reason).inc()
            self.prompt_tokens.inc(outcome.usage.prompt_tokens or 0)
            self.generation_tokens.inc(outcome.usage.completion_tokens)
            self.cached_tokens.inc(outcome.usage.cached_tokens)
        elif outcome is not None:
            self.errors.labels(error_code(outcome)).inc()

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        for kind, size in self._read_memory().items():
            self._memory.labels(kind).set(size)
        return generate_latest(self.registry)
