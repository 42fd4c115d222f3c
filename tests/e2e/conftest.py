"""Debian's Chromium for Playwright, and the page as a person uses it."""

import functools
import json
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from server.hub.page import PAGE
from tests.e2e.browser import ZooPage
from tests.server.hub.conftest import Hub, echo
from tests.support import eventually

CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
]


@pytest.fixture(scope="session")
def base_url() -> None:
    """None: every test has a server of its own. The plugin's fixture warns under pytest 9."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The browser of the system: Playwright's own would be downloaded from elsewhere."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("The browser tests need Chromium: apt-get install chromium", pytrace=False)
    return {**browser_type_launch_args, "executable_path": chromium, "args": CHROMIUM_FLAGS}


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Ends with its module, unlike the plugin's: no other loop can run in this thread meanwhile."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright, browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """One Chromium for the tests of a module."""
    started = playwright.chromium.launch(**browser_type_launch_args)
    yield started
    started.close()


@pytest.fixture(scope="module")
def browser_context_args() -> dict[str, Any]:
    """One size, one language, one theme, wherever the tests run."""
    return {
        "viewport": {"width": 1280, "height": 800},
        "locale": "en-US",
        "color_scheme": "light",
    }


class Hubs:
    """The hubs that run, each in a folder of its own."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._running: dict[str, Hub] = {}

    def start(self, workers: list[dict[str, Any]]) -> Hub:
        hub = Hub(self._factory.mktemp("zoo"), workers)
        self._running[hub.url] = hub
        eventually(hub.all_ready, "ready workers", 120)
        return hub

    def end(self, urls: Iterable[str] | None = None) -> None:
        hubs = [self._running.pop(url) for url in list(urls or self._running)]
        for hub in hubs:
            hub.process.terminate()
        for hub in hubs:
            hub.wait()


@pytest.fixture(scope="session")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hubs]:
    """Starts hubs and ends them."""
    hubs = Hubs(tmp_path_factory)
    yield hubs
    hubs.end()


@pytest.fixture(scope="session")
def shared_zoo(hubs: Hubs) -> Callable[[str], Hub]:
    """The one hub with these workers, given as JSON."""
    return functools.cache(lambda workers: hubs.start(json.loads(workers)))


@pytest.fixture
def start_zoo(hubs: Hubs, shared_zoo: Callable[[str], Hub]) -> Iterator[Callable[..., Hub]]:
    """A hub, given names of echo workers or whole entries, when all its workers are ready.

    Workers keep nothing of a conversation, and the page keeps all in its browser profile: tests
    that ask for the same workers get the same hub. `alone=True` gives one that ends with the test,
    for workers that are harmed or take much memory.
    """
    built_page()
    own: list[str] = []

    def start(*workers: str | dict[str, Any], alone: bool = False) -> Hub:
        entries = [echo(worker) if isinstance(worker, str) else worker for worker in workers]
        if not alone:
            return shared_zoo(json.dumps(entries))
        hub = hubs.start(entries)
        own.append(hub.url)
        return hub

    yield start
    if own:
        hubs.end(own)


@pytest.fixture
def static_page() -> Iterator[str]:
    """The built page from a plain file server; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Not into the test's output."""

    handler = functools.partial(Quiet, directory=str(built_page()))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def built_page() -> Path:
    """The folder that Vite built. Fails where it did not."""
    if not (PAGE / "index.html").is_file():
        pytest.fail("The page is not built: make web", pytrace=False)
    return PAGE


@pytest.fixture
def zoo_page(page: Page) -> ZooPage:
    """The page in a fresh browser profile, its console watched from the first moment."""
    return ZooPage(page)
