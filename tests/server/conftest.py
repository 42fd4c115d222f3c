"""Workers inside the test's process: quick, and open to look into."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.testclient import TestClient

from bots.backends.echo import EchoBot
from bots.chatbot import ChatBot
from server.worker.app import create_app
from server.worker.config import load_config
from tests.support import eventually

MakeClient = Callable[..., TestClient]


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Makes a client of a worker around a bot, with these options; ready unless `wait=False`."""
    with ExitStack() as stack:

        def make(bot: ChatBot | None = None, *, wait: bool = True, **options: Any) -> TestClient:
            config = load_config({"type": "echo", **options}, env={})
            app = create_app(bot or EchoBot(), config)
            client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
            stack.enter_context(client)
            if wait:
                eventually(lambda: client.get("/readyz").status_code == 200, "a ready worker")
            return client

        yield make


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    """A client of a ready echo worker."""
    return make_client()
