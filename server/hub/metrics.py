"""Prometheus metrics of the hub, in a registry of their own."""

from collections import Counter as Tally
from collections.abc import Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from server.hub.registry import Registry
from server.hub.schema import State


class _WorkerStates(Collector):
    """Counts the workers at each scrape."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge with a sample for each state; 0 for states without workers."""
        family = GaugeMetricFamily("chatzoo_hub_workers", "Workers by state", labels=["state"])
        tally = Tally(member.health.state for member in self._registry)
        for state in get_args(State):
            family.add_metric([state], tally[state])
        yield family


class HubMetrics:
    """The metrics of one hub."""

    def __init__(self, registry: Registry) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_WorkerStates(registry))
        self.restarts = Counter(
            "chatzoo_hub_worker_restarts",
            "Worker processes that were started again",
            registry=self.registry,
        )

    def render(self) -> bytes:
        """The metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
