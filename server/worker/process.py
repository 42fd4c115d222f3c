"""One worker as a process: bind, load, answer, drain, leave.

The first SIGTERM or Ctrl-C lets running answers finish, for `drain_timeout` seconds at most; a
second one stops at once.
"""

import asyncio
import os
import sys
import threading
import time
from datetime import timedelta
from types import FrameType

import uvicorn
from fastapi import FastAPI
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bots.chatbot import ChatBot
from bots.registry.registry import check_path, choose_bot, find_bot
from server.http import logs
from server.http.address import http_url, is_loopback, reachable
from server.http.ports import listen
from server.worker.app import create_app
from server.worker.config import WorkerConfig
from server.worker.runner import Runner
from server.worker.schema import ProgressBody
from server.worker.worker import Worker

PARTING_SECONDS = 5
"""How long a worker without a parent may take to end in good order."""
SECONDS = (1.0, 30.0)
"""Without a terminal, progress within a stage is a line each tenth, but none sooner than the first,
and one not later than the second, of these after the last."""


def serve(config: WorkerConfig) -> None:
    """Run a worker until it is told to stop. Raises ConfigError for options that cannot work.

    The port is open before the model's library is imported, which takes seconds.
    """
    if config.threads:
        # Read by the numeric libraries when they are imported, which is later.
        os.environ["OMP_NUM_THREADS"] = str(config.threads)
    path, family, bot = config.pretrained_path, config.type, config.bot
    check_path(path)
    check_path(config.tokenizer_path or "")
    find_bot(path, family=family, bot=bot)
    logs.configure(config.log_level, config.log_format)
    bound = listen(config.host, config.port, "end that, or choose another with --port.")
    port = bound.getsockname()[1]
    warn_about(config)

    def make_bot() -> ChatBot:
        return choose_bot(path, family=family, bot=bot)(config.bot_config())

    app = create_app(make_bot, config, LoadProgress())
    url = http_url(reachable(config.host), port)
    print(f"{config.display_name}: {url}", file=sys.stderr, flush=True)
    server = WorkerServer(app, config)
    if config.exit_on_stdin_eof:
        threading.Thread(target=_stop_at_eof, args=[server], daemon=True).start()
    server.run(sockets=[bound])
    if wrong := app.state.worker.misconfigured:
        raise wrong
    # A thread that still loads the model must not hold up the end of the process.
    sys.stderr.flush()
    os._exit(0)


def warn_about(config: WorkerConfig) -> None:
    """Say on standard error what opens this machine to others."""
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
    """uvicorn that drains: new requests get 503 while the running ones finish."""

    def __init__(self, app: FastAPI, config: WorkerConfig) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=config.host,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=5,
            )
        )
        self._drain_timeout = config.drain_timeout
        self._worker: Worker = app.state.worker
        self._signals = 0
        self._drain: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second stops."""
        self._signals += 1
        if self._runner:
            self._runner.draining = True
        if self._signals > 1 or self._runner is None:
            self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: begin to drain when told to, end when the options cannot work."""
        if self._worker.misconfigured:
            self.should_exit = True
        if self._signals and self._runner and self._drain is None:
            self._drain = asyncio.create_task(self._finish(self._runner))
        return await super().on_tick(counter)

    async def _finish(self, runner: Runner) -> None:
        await runner.drain(self._drain_timeout)
        self.should_exit = True

    @property
    def _runner(self) -> Runner | None:
        return getattr(self._worker, "runner", None)


class LoadProgress:
    """Shows loading: a bar at a terminal, else a line a stage and lines in between where it takes
    long: each tenth, and each half minute. Called from the loading thread.

    Made before the model's library is imported, as it turns off the bars that libraries draw.
    """

    def __init__(self, what: str = "loading") -> None:
        self._what = what
        os.environ.setdefault("TQDM_DISABLE", "1")
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._stage = ""
        self._task = self._bar.add_task("", total=None)
        self._begun = self._told_at = 0.0
        self._tenths = 0

    def __call__(self, progress: ProgressBody | None) -> None:
        """Show how far it is; None is the end."""
        if progress is None:
            self._bar.stop()
            return
        if not self._stage:
            self._bar.start()
        if progress.stage != self._stage:
            self._stage = progress.stage
            self._bar.reset(self._task)  # else the time left would be reckoned from other work
            self._begun = self._told_at = time.monotonic()
            self._tenths = _tenths(progress.fraction or 0.0)
            if self._bar.disable:
                self._print()
        elif self._bar.disable and progress.fraction:
            self._print_share(progress.fraction)
        total = None if progress.fraction is None else 1.0
        self._bar.update(
            self._task,
            description=progress.stage,
            total=total,
            completed=progress.fraction or 0.0,
        )

    def _print_share(self, done: float) -> None:
        """A line where the last is long enough ago."""
        now = time.monotonic()
        quiet = now - self._told_at
        if quiet < SECONDS[0] or (_tenths(done) == self._tenths and quiet < SECONDS[1]):
            return
        left = (now - self._begun) * (1 - done) / done
        self._tenths, self._told_at = _tenths(done), now
        self._print(f", {done:.0%}, {timedelta(seconds=round(left))} left")

    def _print(self, more: str = "") -> None:
        print(f"{self._what}: {self._stage}{more}", file=sys.stderr, flush=True)


def _tenths(done: float) -> int:
    return int(done * 10 + 1e-9)


def _stop_at_eof(server: WorkerServer) -> None:
    """End this process when its parent is gone: nobody else holds the other end of the pipe.

    No signal is used: two that follow each other closely arrive as one, and one only drains.
    """
    # Not sys.stdin: its lock, held here, would break the interpreter's own end.
    while os.read(0, 4096):
        pass
    server.should_exit = server.force_exit = True
    time.sleep(PARTING_SECONDS)
    os._exit(1)  # something holds up the event loop
