"""The list of workers: ids, bounds, listeners."""

import pytest

from server.http.errors import ApiError
from server.hub.registry import Member, Registry
from server.hub.schema import Health, NewWorker
from server.hub.zoo_worker import ZooWorker
from server.worker.config import WorkerConfig, parse_config


def new(url: str, name: str = "Mine") -> NewWorker:
    return NewWorker(name=name, url=url)


def test_a_worker_has_the_same_id_in_every_registry() -> None:
    first, second = (Registry().register(new("localhost:8081")) for _ in range(2))
    assert first.id == second.id
    assert first.id != Registry().register(new("localhost:8082")).id


def test_an_address_is_listed_once() -> None:
    registry = Registry()
    options = WorkerConfig(type="echo", port=8081)
    registry.add_zoo(ZooWorker("One", options, frozenset(), 1))
    with pytest.raises(ApiError) as caught:
        registry.register(new("http://127.0.0.1:8081/"))
    assert (caught.value.status, caught.value.body.error.code) == (409, "worker_exists")
    assert "'One'" in str(caught.value)


def test_the_list_is_bounded() -> None:
    registry = Registry(limit=1)
    member = registry.register(new("a"))
    with pytest.raises(ApiError, match="remove one first"):
        registry.register(new("b"))
    registry.remove(member)
    registry.register(new("b"))


def test_an_unknown_id_is_404() -> None:
    with pytest.raises(ApiError) as caught:
        Registry().get("nothing")
    assert caught.value.status == 404


def test_listeners_are_called_for_changes_only() -> None:
    registry = Registry()
    seen: list[tuple[Member, Health]] = []
    registry.listeners.append(lambda member, before: seen.append((member, before)))
    member = registry.register(new("a"))
    registry.update(member, state="ready")
    registry.update(member, state="ready")
    ((found, before),) = seen
    assert found is member
    assert (before.state, member.health.state) == ("starting", "ready")


def test_a_key_is_not_shown() -> None:
    options = parse_config({"type": "echo", "api_key": "s3cret"})
    member = Registry().add_zoo(ZooWorker("One", options, frozenset(), 1))
    assert member.api_key == "s3cret"
    assert "s3cret" not in repr(member)
