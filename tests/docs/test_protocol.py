"""docs/protocol.md against the code: what is missing there fails here."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from bots import errors as bot_errors
from bots.backends.echo import EchoBot
from bots.errors import BotError
from server.http.handlers import _CODES as HTTP_CODES
from server.hub.app import create_hub
from server.hub.metrics import HubMetrics
from server.hub.registry import Registry
from server.hub.supervisor import Supervisor
from server.worker.app import create_app
from server.worker.config import load_config
from server.worker.metrics import Metrics
from server.worker.schema import StreamEvents
from tests.docs.pages import ROOT, read

PAGE = read("docs/protocol.md")
OFF_THE_WIRE = {"invalid_config"}
"""Codes of errors that end a process before it can answer anybody."""


def worker_app() -> FastAPI:
    return create_app(EchoBot(), load_config({"type": "echo"}, env={}))


def hub_app() -> FastAPI:
    registry = Registry()
    supervisor = Supervisor(registry, cast("httpx.AsyncClient", SimpleNamespace()), print)
    return create_hub(registry, supervisor, HubMetrics(registry))


def routes(app: FastAPI) -> Iterator[str]:
    for path, methods in app.openapi()["paths"].items():
        yield from (f"`{method.upper()} {path}`" for method in methods)


@pytest.mark.parametrize("route", sorted({*routes(worker_app()), *routes(hub_app())}))
def test_every_route(route: str) -> None:
    assert f"| {route} |" in PAGE


@pytest.mark.parametrize("event", StreamEvents.model_fields)
def test_every_event(event: str) -> None:
    assert f"| `{event}` |" in PAGE
    assert f"\nevent: {event}\n" in PAGE


def codes() -> set[str]:
    """Every `code` that an error can have, as far as the source shows."""
    known = [value for value in vars(bot_errors).values() if isinstance(value, type)]
    found = {one.code for one in known if issubclass(one, BotError)} | set(HTTP_CODES.values())
    for path in (ROOT / "server").rglob("*.py"):
        found |= set(re.findall(r'\bApiError\(\s*\d{3},\s*"(\w+)"', path.read_text("utf-8")))
    return found - OFF_THE_WIRE


@pytest.mark.parametrize("code", sorted({*codes(), "invalid_request", "model_loading"}))
def test_every_error_code(code: str) -> None:
    assert re.search(rf"^\| \d{{3}} \| `{code}` \|", PAGE, re.MULTILINE)


def metric_names(registry: CollectorRegistry) -> Iterator[str]:
    """The names as Prometheus reads them."""
    for family in registry.collect():
        yield family.name + ("_total" if family.type == "counter" else "")


@pytest.mark.parametrize(
    "name",
    sorted({*metric_names(Metrics().registry), *metric_names(HubMetrics(Registry()).registry)}),
)
def test_every_metric(name: str) -> None:
    assert re.search(rf"^\| `{name}[`{{]", PAGE, re.MULTILINE)
