"""The application: its OpenAPI document, from which the page's types are made, and its routes."""

import json
from pathlib import Path

from fastapi.routing import APIRoute

from bots.backends.echo import EchoBot
from server.worker.app import create_app
from server.worker.config import load_config
from server.worker.routes import ROUTERS

FILE = Path(__file__).parents[3] / "webui" / "openapi.json"


def test_the_committed_document_is_current() -> None:
    document = create_app(EchoBot(), load_config({"type": "echo"}, env={})).openapi()
    kept = json.loads(FILE.read_text("utf-8"))
    for one in (document, kept):
        one["info"].pop("version")
    assert kept == document, (
        "Run: .venv/bin/chatzoo openapi > webui/openapi.json; scripts/npm run gen"
    )


def test_the_events_of_a_stream_are_in_it() -> None:
    schemas = json.loads(FILE.read_text("utf-8"))["components"]["schemas"]
    names = {"queued", "start", "delta", "replace", "done", "error"}
    assert set(schemas["StreamEvents"]["properties"]) == names


def test_every_router_is_part_of_the_application() -> None:
    documented = create_app(EchoBot(), load_config({"type": "echo"}, env={})).openapi()["paths"]
    for router in ROUTERS:
        routes = [route for route in router.routes if isinstance(route, APIRoute)]
        assert routes
        for route in routes:
            path = route.path.replace(":path}", "}")
            assert path in documented or not route.include_in_schema, path
