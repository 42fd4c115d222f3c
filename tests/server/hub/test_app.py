"""The hub's endpoints, without any process."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from server.hub.app import MAX_BODY_BYTES, create_hub
from server.hub.metrics import HubMetrics
from server.hub.registry import Registry
from server.hub.supervisor import Supervisor
from server.hub.zoo_worker import ZooWorker
from server.worker.config import WorkerConfig
from tests.support import eventually


def answer(request: httpx.Request) -> httpx.Response:
    """A ready worker on every port but 9."""
    if request.url.port == 9:
        raise httpx.ConnectError("refused", request=request)
    return httpx.Response(200, json={"state": "ready"})


@pytest.fixture
def registry() -> Registry:
    return Registry(limit=3)


@pytest.fixture
def supervisor(registry: Registry) -> Supervisor:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return Supervisor(registry, client, lambda name, line: None)


@pytest.fixture
def hub(registry: Registry, supervisor: Supervisor) -> Iterator[TestClient]:
    app = create_hub(registry, supervisor, HubMetrics(registry))
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        yield client
        assert client.portal is not None
        client.portal.call(supervisor.stop)


def add(hub: TestClient, url: str, name: str = "Mine", **more: Any) -> Any:
    return hub.post("/api/workers", json={"name": name, "url": url, **more})


def test_a_registered_worker_is_listed_and_removed(hub: TestClient) -> None:
    assert hub.get("/api/workers").json() == {"workers": []}
    created = add(hub, "localhost:8081/", api_key="s3cret")
    assert created.status_code == 201
    entry = created.json()
    assert (entry["name"], entry["url"]) == ("Mine", "http://localhost:8081")
    assert entry["source"] == "registered"
    assert "s3cret" not in created.text
    ready = {"state": "ready", "progress": None, "error": None, "restarts": 0}
    expected = {"workers": [entry | {"health": ready}]}
    eventually(lambda: hub.get("/api/workers").json() == expected, "a ready worker")
    assert hub.delete(f"/api/workers/{entry['id']}").status_code == 204
    assert hub.get("/api/workers").json() == {"workers": []}
    assert hub.delete(f"/api/workers/{entry['id']}").status_code == 404


def test_a_dead_worker_is_down(hub: TestClient) -> None:
    add(hub, "127.0.0.1:9")

    def health() -> dict[str, Any]:
        found: dict[str, Any] = hub.get("/api/workers").json()["workers"][0]["health"]
        return found

    eventually(lambda: health()["state"] == "down", "a worker that is down")
    assert "refused" in health()["error"]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"name": "x", "url": "ftp://a"}, 422, "invalid_request", "url"),
        ({"name": "x", "url": "http://u:p@a"}, 422, "invalid_request", "url"),
        ({"name": " ", "url": "a"}, 422, "invalid_request", "name"),
        ({"name": "x", "url": "a", "api_key": "s3cret\n"}, 422, "invalid_request", "api_key"),
        ({"name": "x", "url": "a", "api_key": "s3crét"}, 422, "invalid_request", "api_key"),
        ({"name": "x", "url": "http://☃☃-.com"}, 422, "invalid_request", "url"),
        ({"name": "x\0", "url": "a"}, 422, "invalid_request", "name"),
        ({"name": "x\x1b]0;y", "url": "a"}, 422, "invalid_request", "name"),
        ({"name": "x"}, 422, "invalid_request", "url"),
        ({"name": "x", "url": "a", "colour": "red"}, 422, "invalid_request", "colour"),
        ({"name": "x", "url": "http://127.0.0.1:7001"}, 409, "worker_exists", "url"),
        ({"name": "x" * MAX_BODY_BYTES, "url": "a"}, 413, "body_too_large", None),
    ],
)
def test_what_cannot_be_registered(
    hub: TestClient, body: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    assert add(hub, "localhost:7001").status_code == 201
    refused = hub.post("/api/workers", json=body)
    assert refused.status_code == status
    error = refused.json()["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"]
    assert "s3cr" not in refused.text


def test_the_list_is_bounded(hub: TestClient) -> None:
    assert [add(hub, f"host{n}").status_code for n in range(4)] == [201, 201, 201, 409]


def test_another_sites_page_cannot_register_by_a_form(hub: TestClient) -> None:
    # A form of another site may send text without asking first; JSON it may not.
    sent = hub.post(
        "/api/workers",
        content='{"name": "x", "url": "evil.example"}',
        headers={"Content-Type": "text/plain"},
    )
    assert sent.status_code == 422
    assert "access-control-allow-origin" not in sent.headers


def test_a_name_that_another_site_points_here_is_refused(hub: TestClient) -> None:
    assert hub.get("/api/workers", headers={"Host": "evil.example"}).status_code == 400
    for host in ("localhost:8080", "127.0.0.1", "[::1]:8080"):
        assert hub.get("/api/workers", headers={"Host": host}).status_code == 200


def test_on_all_addresses_a_worker_has_the_name_of_the_hub(
    registry: Registry, supervisor: Supervisor
) -> None:
    options = WorkerConfig(type="echo", host="0.0.0.0", port=8081)
    registry.add_zoo(ZooWorker("One", options, frozenset(), 1))
    app = create_hub(
        registry, supervisor, HubMetrics(registry), host="0.0.0.0", allow_host=["box.example"]
    )
    with TestClient(app, base_url="http://box.example:8080") as client:
        assert client.get("/api/workers", headers={"Host": "evil.example"}).status_code == 400
        (worker,) = client.get("/api/workers").json()["workers"]
    assert worker["url"] == "http://box.example:8081"


def test_health_and_metrics(hub: TestClient, supervisor: Supervisor) -> None:
    assert hub.get("/healthz").json() == {"status": "ok"}
    assert hub.get("/readyz").json() == {"state": "ready"}
    metrics = hub.get("/metrics").text
    assert 'chatzoo_hub_workers{state="failed"} 0.0' in metrics
    assert "chatzoo_hub_worker_restarts_total 0.0" in metrics
    supervisor.stopping = True
    stopping = hub.get("/readyz")
    assert stopping.status_code == 503
    assert stopping.json()["error"]["code"] == "draining"


def test_unknown_paths_have_the_common_error_body(hub: TestClient) -> None:
    for path in ("/missing", "/api/missing", "/../secret"):
        missing = hub.get(path)
        assert missing.status_code == 404
        assert missing.json()["error"]["code"] == "not_found"
