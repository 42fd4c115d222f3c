"""`chatzoo up` as people use it: real processes, killed in every way."""

import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bots.errors import ConfigError
from server.hub.console import HubConsole
from server.hub.run import up
from server.hub.zoo import Zoo, ZooWorker
from server.worker.config import WorkerConfig
from tests.server.hub.conftest import CHATZOO, ROOT, Hub
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


def health_of(hub: Hub) -> dict[str, Any]:
    """The health of the first worker."""
    found: dict[str, Any] = hub.workers()[0]["health"]
    return found


def test_a_killed_worker_is_started_again(start_hub: StartHub) -> None:
    hub = start_hub("One", "Two")
    eventually(hub.all_ready, "ready workers")
    first, second = hub.workers()
    victim = hub.worker_process(int(first["url"].rpartition(":")[2]))
    victim.kill()
    eventually(lambda: "signal 9" in (health_of(hub)["error"] or ""), "the news of its death")
    again = {**first["health"], "restarts": 1}
    eventually(lambda: health_of(hub) == again, "a worker that is ready again")
    assert hub.workers()[1] == second
    metrics = fetch(f"{hub.url}/metrics")
    assert 'chatzoo_hub_workers{state="ready"} 2.0' in metrics
    assert "chatzoo_hub_worker_restarts_total 1.0" in metrics


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
    hub = start_hub("One", "Two")
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


def test_removing_a_zoo_worker_ends_its_process(start_hub: StartHub) -> None:
    hub = start_hub("One", "Two")
    eventually(hub.all_ready, "ready workers")
    first, second = hub.workers()
    assert httpx.delete(f"{hub.url}/api/workers/{first['id']}").status_code == 204
    assert [worker["id"] for worker in hub.workers()] == [second["id"]]
    eventually(lambda: len(hub.worker_processes()) == 1, "the end of its process")


def test_a_worker_that_cannot_work_is_not_started_again(start_hub: StartHub) -> None:
    hub = start_hub({"name": "Broken", "bot": "missing.py:Bot"}, "Good")
    eventually(lambda: hub.states() == ["failed", "ready"], "one failed, one ready")
    health = health_of(hub)
    assert "missing.py" in health["error"]
    assert health["restarts"] == 0
    output = "".join(hub.output)
    assert f"ChatZoo is at {hub.url}" in output
    assert "Broken failed" in output
    assert "Good is ready at http://127.0.0.1:" in output


def test_a_taken_port_is_told_with_its_owner() -> None:
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


def test_a_wrong_zoo_file_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("prot: 8080")
    done = subprocess.run(
        [*CHATZOO, "up", str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"Error: {path}: There is no option 'prot'.\n"
