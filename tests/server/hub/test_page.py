"""The page: files, caching, compression, and the headers of all responses."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from fastapi.testclient import TestClient

from server.hub.app import create_hub
from server.hub.metrics import HubMetrics
from server.hub.page import NOT_BUILT, Page
from server.hub.registry import Registry
from server.hub.supervisor import Supervisor

LARGE = "export {}\n" * 1000


def serve(folder: Path) -> TestClient:
    """A hub without workers that serves the page in `folder`."""
    registry = Registry()
    supervisor = Supervisor(registry, cast("httpx.AsyncClient", SimpleNamespace()), lambda *_: None)
    app = create_hub(registry, supervisor, HubMetrics(registry), page=Page(folder))
    return TestClient(app, base_url="http://127.0.0.1:8080")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>ChatZoo</title>")
    (tmp_path / "assets" / "index-4f2a.js").write_text("export {}")
    (tmp_path / "assets" / "large-4f2a.js").write_text(LARGE)
    return tmp_path


@pytest.fixture
def page(folder: Path) -> Iterator[TestClient]:
    with serve(folder) as client:
        yield client


def test_the_page_and_how_long_it_is_kept(page: TestClient) -> None:
    index = page.get("/")
    assert "<title>ChatZoo" in index.text
    assert index.headers["cache-control"] == "no-cache"
    assert page.get("/", headers={"If-None-Match": index.headers["etag"]}).status_code == 304
    script = page.get("/assets/index-4f2a.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert page.get("/api/workers").headers["cache-control"] == "no-store"


def test_the_page_is_sent_compressed(page: TestClient) -> None:
    script = page.get("/assets/large-4f2a.js")
    assert script.headers["content-encoding"] == "gzip"
    assert script.text == LARGE


@pytest.mark.parametrize("path", ["/", "/assets/index-4f2a.js", "/api/workers", "/missing"])
def test_headers_that_protect_the_page(page: TestClient, path: str) -> None:
    headers = page.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "style-src-attr": "'unsafe-inline'",
        "font-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self' http: https:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "vue dompurify chatzoo-worker chatzoo-entities",
    }


def test_without_the_page_there_is_a_hint_how_to_build_it(
    tmp_path: Path,
) -> None:
    with serve(tmp_path / "page") as client:
        assert client.get("/").text == NOT_BUILT
        assert client.get("/").status_code == 503
        assert client.get("/api/workers").status_code == 200
        (tmp_path / "page").mkdir()
        (tmp_path / "page" / "index.html").write_text("built")
        assert client.get("/").text == "built"
