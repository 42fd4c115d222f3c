"""The hub's metrics."""

from server.hub.metrics import HubMetrics
from server.hub.registry import Registry
from server.hub.schema import NewWorker


def test_workers_are_counted_by_state_at_each_scrape() -> None:
    registry = Registry()
    metrics = HubMetrics(registry)
    assert b'chatzoo_hub_workers{state="ready"} 0.0' in metrics.render()
    registry.update(registry.register(NewWorker(name="Mine", url="a")), state="ready")
    text = metrics.render()
    assert b'chatzoo_hub_workers{state="ready"} 1.0' in text
    assert b'chatzoo_hub_workers{state="down"} 0.0' in text


def test_restarts_are_counted() -> None:
    metrics = HubMetrics(Registry())
    metrics.restarts.inc()
    assert b"chatzoo_hub_worker_restarts_total 1.0" in metrics.render()
