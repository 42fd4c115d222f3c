"""What tests need to run real processes and to wait for conditions, never for time."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from fastapi import FastAPI


def eventually(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until `condition()` holds; fail after `seconds` with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for: {what}")
        time.sleep(0.01)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str, status: int = 200) -> bool:
    """Whether GET `url` gives this status now."""
    try:
        return httpx.get(url, timeout=2).status_code == status
    except httpx.TransportError:
        return False


@dataclass
class WorkerProcess:
    """A worker of its own process, and where it listens."""

    process: subprocess.Popen[str]
    url: str


@contextmanager
def running_worker(*flags: str, wait: str = "/readyz") -> Iterator[WorkerProcess]:
    """`python -m server` with these flags on a free port, ready when the block begins."""
    port = free_port()
    command = [sys.executable, "-m", "server", "--port", str(port), *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    worker = WorkerProcess(process, f"http://127.0.0.1:{port}")
    try:
        eventually(
            lambda: process.poll() is not None or answers(worker.url + wait), "a worker", 120
        )
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield worker
    finally:
        process.kill()
        process.communicate()


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """An application in a thread of this process; its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started, "a server")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
