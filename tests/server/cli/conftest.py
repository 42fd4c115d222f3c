"""Echo workers in threads of the test's process, and consoles whose output can be read."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog
from rich.console import Console

from bots.backends.echo import EchoBot
from server.cli.main import main
from server.worker.app import create_app
from server.worker.config import load_config
from tests.support import answers, eventually, serving


@pytest.fixture(scope="package")
def workers() -> Iterator[tuple[str, str]]:
    """The addresses of an open worker and of one that requires the key `s3cret`."""
    # Quiet: without a configuration, structlog writes to standard output, as the commands do.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with echo_worker(name="Open") as first, echo_worker(name="Locked", api_key="s3cret") as second:
        yield first, second
    structlog.reset_defaults()


@contextmanager
def echo_worker(**options: str) -> Iterator[str]:
    config = load_config({"type": "echo", **options}, env={})
    with serving(create_app(EchoBot(), config)) as url:
        eventually(lambda: answers(f"{url}/readyz"), "a ready worker")
        yield url


@pytest.fixture
def open_worker(workers: tuple[str, str]) -> str:
    return workers[0]


def plain() -> Console:
    """A console that is no terminal."""
    return Console(file=io.StringIO(), force_terminal=False, width=100)


def terminal() -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=100,
        height=30,
        color_system=None,
        emoji=False,
    )


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def run(*arguments: str) -> int:
    """The exit code of `chatzoo` with these arguments, in this process."""
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    assert isinstance(left.value.code, int)
    return left.value.code
