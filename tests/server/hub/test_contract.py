"""The hub's documented interface is the real one."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import status_code_conformance

from server.hub.app import create_hub
from server.hub.metrics import HubMetrics
from server.hub.registry import Registry
from server.hub.supervisor import Supervisor
from tests.support import answers, eventually, free_port


def refuse(request: httpx.Request) -> httpx.Response:
    """No worker answers, and no real address is ever asked."""
    raise httpx.ConnectError("refused", request=request)


def hub() -> tuple[Any, Supervisor]:
    registry = Registry()
    client = httpx.AsyncClient(transport=httpx.MockTransport(refuse))
    supervisor = Supervisor(registry, client, lambda name, line: None)
    return create_hub(registry, supervisor, HubMetrics(registry)), supervisor


@pytest.fixture(scope="module")
def hub_url() -> Iterator[str]:
    """A hub in a thread: it starts no process here, so it needs no signals."""
    app, supervisor = hub()
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))

    async def serve() -> None:
        await server.serve()
        await supervisor.stop()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: answers(f"{url}/healthz"), "a hub")
        yield url
    finally:
        server.should_exit = True
        thread.join(30)


OPERATIONS = schemathesis.openapi.from_dict(hub()[0].openapi())


@OPERATIONS.parametrize()  # type: ignore[untyped-decorator]
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_documented_interface_is_the_real_one(case: schemathesis.Case, hub_url: str) -> None:
    case.call_and_validate(base_url=hub_url, checks=[not_a_server_error, status_code_conformance])
