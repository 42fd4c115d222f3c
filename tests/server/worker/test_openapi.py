"""The document from which the page's types are made is the one of the code."""

import json
from pathlib import Path

from bots.backends.echo import EchoBot
from server.worker.app import create_app
from server.worker.config import load_config

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
