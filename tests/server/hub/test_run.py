"""`chatzoo up` as people use it: real processes, killed in every way."""

import os
import signal
import socket
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from bots.errors import ConfigError
from server.hub.console import HubConsole
from server.hub.run import up
from server.hub.zoo import Zoo
from server.hub.zoo_worker import ZooWorker
from server.worker.config import WorkerConfig
from tests.server.hub.conftest import Hub, echo, runs
from tests.support import eventually, free_port

StartHub = Callable[..., Hub]

LONG = {
    "messages": [{"role": "user", "content": "word " * 2000}],
    "params": {"rate": 20, "max_new_tokens": 2000},
}


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as response:
        text: str = response.read().decode()
        return text


@pytest.fixture(scope="module")
def shared_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that no test ends, with a worker for each test that changes one."""
    broken = {"name": "Broken", "bot": "missing.py:Bot"}
    workers = [broken, *(echo(name) for name in ("Killed", "Removed", "Other"))]
    hub = Hub(tmp_path_factory.mktemp("hub"), workers)
    eventually(lambda: hub.states() == ["failed", "ready", "ready", "ready"], "ready workers")
    yield hub
    hub.end()


def entry_of(hub: Hub, name: str) -> dict[str, Any]:
    (found,) = (worker for worker in hub.workers() if worker["name"] == name)
    return found


def test_a_worker_that_cannot_work_is_not_restarted(shared_hub: Hub) -> None:
    health = entry_of(shared_hub, "Broken")["health"]
    assert "missing.py" in health["error"]
    assert health["restarts"] == 0
    output = "".join(shared_hub.output)
    assert f"ChatZoo is at {shared_hub.url}" in output
    assert "Broken failed" in output
    assert "Other is ready at http://127.0.0.1:" in output


def test_a_killed_worker_is_restarted(shared_hub: Hub) -> None:
    killed, other = (entry_of(shared_hub, name) for name in ("Killed", "Other"))

    def health() -> dict[str, Any]:
        found: dict[str, Any] = entry_of(shared_hub, "Killed")["health"]
        return found

    shared_hub.worker_process(int(killed["url"].rpartition(":")[2])).kill()
    eventually(lambda: "signal 9" in (health()["error"] or ""), "the reason of its end")
    again = {**killed["health"], "restarts": 1}
    eventually(lambda: health() == again, "a worker that is ready again")
    assert entry_of(shared_hub, "Other") == other
    metrics = fetch(f"{shared_hub.url}/metrics")
    assert 'chatzoo_hub_workers{state="failed"} 1.0' in metrics
    assert "chatzoo_hub_worker_restarts_total 1.0" in metrics


def test_removing_a_zoo_worker_ends_its_process(shared_hub: Hub) -> None:
    removed = entry_of(shared_hub, "Removed")
    process = shared_hub.worker_process(int(removed["url"].rpartition(":")[2]))
    assert httpx.delete(f"{shared_hub.url}/api/workers/{removed['id']}").status_code == 204
    assert "Removed" not in [worker["name"] for worker in shared_hub.workers()]
    eventually(lambda: not runs(process.pid), "the end of its process")
    assert entry_of(shared_hub, "Other")["health"]["state"] == "ready"


def test_sigterm_leaves_no_process(start_hub: StartHub) -> None:
    hub = start_hub("One", "Two")
    eventually(hub.all_ready, "ready workers")
    assert len(hub.worker_processes()) == 2
    hub.process.terminate()
    assert hub.wait() == 0
    assert hub.nothing_left()


def test_ctrl_c_while_workers_start(start_hub: StartHub) -> None:
    hub = start_hub("One")
    eventually(lambda: bool(hub.worker_processes()), "a worker's process")
    hub.process.send_signal(signal.SIGINT)
    assert hub.wait() == 0
    assert hub.nothing_left()


def test_workers_do_not_outlive_a_killed_hub(start_hub: StartHub) -> None:
    hub = start_hub("One")
    eventually(hub.all_ready, "ready workers")
    with httpx.stream("POST", f"{hub.workers()[0]['url']}/generate", json=LONG) as answer:
        assert "start" in next(answer.iter_text())
        hub.process.kill()
        hub.wait()
        eventually(hub.nothing_left, "the end of all workers")


def test_running_answers_finish_but_not_when_asked_twice(start_hub: StartHub) -> None:
    hub = start_hub("One")
    eventually(hub.all_ready, "ready workers")
    url = hub.workers()[0]["url"]
    with httpx.stream("POST", f"{url}/generate", json=LONG, timeout=30) as answer:
        pieces = answer.iter_text()
        assert "start" in next(pieces)
        hub.process.terminate()
        eventually(lambda: hub.states() == ["draining"], "a draining worker")
        assert next(pieces)
        hub.process.terminate()
        assert hub.wait() == 0
    assert hub.nothing_left()


def test_a_taken_port_is_named_with_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (worker,) = worker_on(port).workers
        for zoo, advice in [
            (Zoo("127.0.0.1", port, ()), "--port"),
            (Zoo("127.0.0.1", free_port(), (worker,)), "'One' another port"),
        ]:
            with pytest.raises(ConfigError) as caught:
                up(zoo, HubConsole())
            assert f"Port {port} is taken by " in caught.value.message
            assert f"(process {os.getpid()})" in caught.value.message
            assert advice in caught.value.message


def worker_on(port: int) -> Zoo:
    options = WorkerConfig(type="echo", port=port)
    return Zoo("127.0.0.1", 1, (ZooWorker("One", options, frozenset(), 1),))
