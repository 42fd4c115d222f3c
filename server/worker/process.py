"""A worker as a process: open the port, load the model, answer requests, drain, exit.

| signal | effect |
|---|---|
| first SIGTERM or Ctrl-C | new requests get 503, running ones may finish (`drain_timeout`) |
| second one | exit at once |
| end of standard input, with `exit_on_stdin_eof` | exit at once: the parent process has gone |
"""

import asyncio
import os
import sys
import threading
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from bots.chatbot import ChatBot
from bots.registry.registry import check_path, choose_bot, find_bot
from server.http import logs
from server.http.address import http_url, is_loopback, reachable
from server.http.ports import listen
from server.worker.app import create_app
from server.worker.config import WorkerConfig
from server.worker.load_progress import LoadProgress
from server.worker.runner import Runner
from server.worker.worker import Worker

ORPHAN_SECONDS = 5
"""Time that a worker whose parent has gone may take to exit in good order."""

GRACEFUL_SECONDS = 5
"""Time that uvicorn gives responses after the drain; by then all of them have got their end."""


def serve(config: WorkerConfig) -> None:
    """Run a worker until it is stopped. Raises ConfigError for options that cannot work.

    The port is open before the model's library is imported, which takes seconds: callers get
    "loading" meanwhile, and a taken port is reported at once.
    """
    if config.threads:
        # Numeric libraries read it when they are imported, which is later.
        os.environ["OMP_NUM_THREADS"] = str(config.threads)
    path, family, bot = config.pretrained_path, config.type, config.bot
    check_path(path)
    check_path(config.tokenizer_path or "")
    find_bot(path, family=family, bot=bot)
    logs.configure(config.log_level, config.log_format)
    bound = listen(config.host, config.port, "end that, or choose another with --port.")
    port = bound.getsockname()[1]
    print_warnings(config)

    def make_bot() -> ChatBot:
        return choose_bot(path, family=family, bot=bot)(config.bot_config())

    app = create_app(make_bot, config, LoadProgress())
    url = http_url(reachable(config.host), port)
    print(f"{config.display_name}: {url}", file=sys.stderr, flush=True)
    server = WorkerServer(app, config)
    if config.exit_on_stdin_eof:
        threading.Thread(target=_exit_at_eof, args=[server], daemon=True).start()
    server.run(sockets=[bound])
    if error := app.state.worker.misconfigured:
        raise error
    # Not a return: the interpreter would first wait for threads that still decode, or that are
    # inside a library which loads the model.
    sys.stderr.flush()
    os._exit(0)


def print_warnings(config: WorkerConfig) -> None:
    """Warn on standard error about options that expose this machine to others."""
    if not is_loopback(config.host) and config.api_key is None:
        print(
            f"Warning: other machines may reach {config.host}, and there is no --api-key.",
            file=sys.stderr,
        )
    if config.trust_remote_code:
        print(
            f"Warning: --trust-remote-code lets Python code inside {config.pretrained_path!r} run"
            " with your rights.",
            file=sys.stderr,
        )


class WorkerServer(uvicorn.Server):
    """A uvicorn server that drains: new requests get 503 while the running ones finish."""

    def __init__(self, app: FastAPI, config: WorkerConfig) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=config.host,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACEFUL_SECONDS,
            )
        )
        self._drain_timeout = config.drain_timeout
        self._worker: Worker = app.state.worker
        self._signals = 0
        self._drain: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Count a signal: the first one starts to drain, the second one exits.

        uvicorn's own handler is not called, because it closes the port on the first signal, and
        `/readyz` and new requests are to be answered while the worker drains.
        """
        # Runs between any two instructions of the main thread, so it only sets flags; `on_tick`
        # does the rest inside the event loop.
        self._signals += 1
        if self._runner:
            self._runner.draining = True
        if self._signals > 1 or self._runner is None:
            self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: start to drain after a signal, exit if the options cannot work."""
        if self._worker.misconfigured:
            self.should_exit = True
        if self._signals and self._runner and self._drain is None:
            self._drain = asyncio.create_task(self._drain_and_exit(self._runner))
        return await super().on_tick(counter)

    async def _drain_and_exit(self, runner: Runner) -> None:
        await runner.drain(self._drain_timeout)
        self.should_exit = True

    @property
    def _runner(self) -> Runner | None:
        return getattr(self._worker, "runner", None)  # it has none before the event loop runs


def _exit_at_eof(server: uvicorn.Server) -> None:
    """Exit this process when the parent, which holds the other end of standard input, has gone.

    Sets uvicorn's flags instead of sending signals: two signals that follow each other closely
    arrive as one, and one only drains.
    """
    # Not sys.stdin: this thread would hold its lock, and the interpreter needs it to shut down.
    while os.read(0, 4096):
        pass
    server.should_exit = server.force_exit = True
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)  # the event loop is blocked
