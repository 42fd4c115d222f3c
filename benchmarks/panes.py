"""Time between the first and the last worker's start, when the page sends one prompt to many panes.

Runs the built page in Chromium and workers that answer with the moment at which they started. A
surrounding page (`panes.html`) enters the prompts, because the usual tools to drive a browser watch
each request and slow it down.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from benchmarks.report import Watch, machine, table, write_section
from bots.backends.echo import EchoBot
from bots.events import Step
from bots.hooks import Inputs
from bots.settings import BotSettings
from server.hub.page import PAGE
from tests.support import running_worker

DRIVER = Path(__file__).with_suffix(".html")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


class StampBot(EchoBot):
    """A bot that answers with its start time, in seconds of the system's monotonic clock."""

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step]:
        """Yield one step: the time."""
        yield Step(text=f"{time.monotonic():.6f}", finish_reason="stop")


class Site(SimpleHTTPRequestHandler):
    """Serves the built page and the surrounding page, and receives what the latter observed."""

    def __init__(self, seen: SimpleQueue[Any], *parts: Any) -> None:
        self.seen = seen
        super().__init__(*parts, directory=str(PAGE))

    def do_GET(self) -> None:
        """Send a file."""
        if not self.path.startswith("/driver"):
            return super().do_GET()
        return self._answer(DRIVER.read_bytes())

    def do_POST(self) -> None:
        """Receive the observations."""
        self.seen.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def watch_panes(panes: int, prompts: int) -> list[dict[str, Any]]:
    """Run workers and browser; returns what the surrounding page observed of each prompt."""
    seen: SimpleQueue[Any] = SimpleQueue()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("This needs Chromium: apt-get install chromium")
    with ExitStack() as stack:
        site = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, seen)))
        threading.Thread(target=site.serve_forever, daemon=True).start()
        stack.callback(site.shutdown)
        origin = f"http://127.0.0.1:{site.server_port}"
        bot = ("--bot", f"{__file__}:{StampBot.__name__}", "--allow-origin", origin)
        workers = [stack.enter_context(running_worker(*bot)) for _ in range(panes)]
        options = [f"panes={panes}", f"prompts={prompts}", *(f"worker={w.url}" for w in workers)]
        profile = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        command = [chromium, *FLAGS, f"--user-data-dir={profile}"]
        browser = subprocess.Popen(
            [*command, f"{origin}/driver?{'&'.join(options)}"], stderr=subprocess.DEVNULL
        )
        stack.callback(browser.wait)
        stack.callback(browser.terminate)
        found: list[dict[str, Any]] = seen.get(timeout=60 + 5 * prompts)
        return found


def spread(moments: Sequence[float]) -> float:
    """The time from the first moment to the last."""
    return max(moments) - min(moments)


def report(seen: list[dict[str, Any]], panes: int, words: str) -> str:
    """Format the section of docs/benchmarks.md."""
    called = [spread(prompt["called"]) for prompt in seen]
    began = [spread([float(text) for text in prompt["answers"]]) * 1000 for prompt in seen]
    rows = [
        [what, f"{statistics.median(ms):.1f}", f"{statistics.quantiles(ms, n=100)[98]:.1f}"]
        for what, ms in (("the page calls `fetch`", called), ("the workers begin", began))
    ]
    about = f"{machine()}; {len(seen)} prompts to {panes} panes; {words}."
    return f"{about}\n\n{table(['first to last, ms', 'median', 'p99'], rows)}"


def main() -> None:
    """Measure and print; with --write also update docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panes", type=int, default=8)
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    watch = Watch()
    seen = watch_panes(options.panes, options.prompts)
    text = report(seen, options.panes, watch.words())
    print(text)
    if options.write:
        write_section("panes", text)


if __name__ == "__main__":
    main()
