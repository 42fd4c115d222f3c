"""The worker's process: warnings, signals, and the end of its parent."""

import signal
import subprocess
import sys

import pytest
from fastapi import FastAPI

from bots.backends.echo import EchoBot
from bots.errors import ConfigError
from server.worker.app import create_app
from server.worker.config import WorkerConfig, load_config
from server.worker.process import WorkerServer, print_warnings
from tests.server.conftest import MakeClient
from tests.support import answers, eventually, free_port


def config_of(**options: object) -> WorkerConfig:
    return load_config({"type": "echo", **options}, env={})


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ({}, ""),
        ({"host": "0.0.0.0"}, "Warning: other machines may reach 0.0.0.0"),
        ({"host": "0.0.0.0", "api_key": "k"}, ""),
        ({"trust_remote_code": True}, "Warning: --trust-remote-code lets Python code"),
    ],
)
def test_options_that_expose_the_machine_are_reported(
    options: dict[str, object], warning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_warnings(config_of(**options))
    printed = capsys.readouterr().err
    assert printed.startswith(warning)
    assert bool(printed) == bool(warning)


def server_of(make_client: MakeClient, **options: object) -> WorkerServer:
    """A server around a running application."""
    app = make_client(**options).app
    assert isinstance(app, FastAPI)
    return WorkerServer(app, config_of())


def test_the_first_signal_drains_and_the_second_exits(make_client: MakeClient) -> None:
    server = server_of(make_client)
    server.handle_exit(signal.SIGTERM, None)
    assert not server.should_exit
    server.handle_exit(signal.SIGTERM, None)
    assert (server.should_exit, server.force_exit) == (True, True)


def test_a_drained_server_exits(make_client: MakeClient) -> None:
    client = make_client()
    assert isinstance(client.app, FastAPI)
    assert client.portal is not None
    server = WorkerServer(client.app, config_of())
    server.handle_exit(signal.SIGTERM, None)
    assert client.get("/readyz").json()["state"] == "draining"
    client.portal.call(server.on_tick, 1)
    eventually(lambda: server.should_exit, "the end of the drain")
    assert not server.force_exit


def test_a_signal_before_the_loop_runs_exits() -> None:
    server = WorkerServer(create_app(EchoBot(), config_of()), config_of())
    server.handle_exit(signal.SIGTERM, None)
    assert (server.should_exit, server.force_exit) == (True, True)


def test_options_that_cannot_work_end_the_server(make_client: MakeClient) -> None:
    def make() -> EchoBot:
        raise ConfigError("no such thing")

    client = make_client(make, wait=False)
    assert isinstance(client.app, FastAPI)
    assert client.portal is not None
    server = WorkerServer(client.app, config_of())
    eventually(lambda: server.config.app.state.worker.misconfigured is not None, "the error")  # type: ignore[union-attr]
    client.portal.call(server.on_tick, 1)
    assert server.should_exit


def test_the_end_of_standard_input_ends_the_process() -> None:
    port = free_port()
    command = [sys.executable, "-m", "server", "--type", "echo", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--exit-on-stdin-eof"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "a worker", 120)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            process.kill()
