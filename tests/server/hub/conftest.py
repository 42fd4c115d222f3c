"""Hubs as real processes."""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import free_port

ROOT = Path(__file__).parents[3]
CHATZOO = [sys.executable, "-c", "from server.cli.main import main; main()"]


class Hub:
    """A `chatzoo up` in a process of its own, with echo workers."""

    def __init__(self, folder: Path, workers: list[dict[str, Any]]) -> None:
        self.port = free_port()
        for worker in workers:
            worker.setdefault("port", free_port())
        zoo = folder / "zoo.yaml"
        zoo.write_text(json.dumps({"port": self.port, "workers": workers}))
        self.url = f"http://127.0.0.1:{self.port}"
        self.output: list[str] = []
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CHATZOO_")}
        self.process = subprocess.Popen(
            [*CHATZOO, "up", str(zoo)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.seen: set[int] = set()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)

    def workers(self) -> list[dict[str, Any]]:
        """The worker list, or nothing while the hub does not answer."""
        self.worker_processes()
        try:
            with urllib.request.urlopen(f"{self.url}/api/workers", timeout=5) as response:
                found: list[dict[str, Any]] = json.load(response)["workers"]
        except OSError:
            assert self.process.poll() is None, "".join(self.output)
            return []
        return found

    def states(self) -> list[str]:
        return [worker["health"]["state"] for worker in self.workers()]

    def all_ready(self) -> bool:
        return set(self.states()) == {"ready"}

    def worker_processes(self) -> list[psutil.Process]:
        """The hub's children; all that were ever seen are remembered in `seen`."""
        try:
            found: list[psutil.Process] = psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []
        self.seen |= {child.pid for child in found}
        return found

    def worker_process(self, port: int) -> psutil.Process:
        return next(p for p in self.worker_processes() if str(port) in p.cmdline())

    def nothing_left(self) -> bool:
        """Whether all workers that were ever seen are gone."""
        return not any(map(runs, self.seen))

    def wait(self) -> int:
        """The hub's exit code, with all its output read."""
        code = self.process.wait(30)
        self._reader.join(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def end(self) -> None:
        if self.process.poll() is None:
            self.worker_processes()
            self.process.kill()
        self.wait()
        for pid in filter(runs, self.seen):
            psutil.Process(pid).kill()


def runs(pid: int) -> bool:
    """Whether a process lives; one that waits to be buried does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def echo(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "type": "echo", **options}


@pytest.fixture
def start_hub(tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Starts hubs, given the names of echo workers or whole entries; ends them all afterwards."""
    hubs: list[Hub] = []

    def start(*workers: str | dict[str, Any]) -> Hub:
        entries = [echo(w) if isinstance(w, str) else w for w in workers]
        hubs.append(Hub(tmp_path, entries))
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.end()
