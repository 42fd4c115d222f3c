"""Keeps the workers of the zoo running: starts, watches, starts again, stops.

One task a worker. What a worker is and how it is asked for its health is known elsewhere.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import structlog

import server
from server.hub import health
from server.hub.process import Child, start_child
from server.hub.registry import Member, Registry
from server.hub.zoo import ZooWorker

log = structlog.get_logger("chatzoo.hub")

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
HEALTHY_AFTER = 60.0
MARGIN = 5.0
WRONG_USAGE = 2
"""The exit code of a worker whose options cannot work; starting it again changes nothing.

Of a worker that was started again it says something else: that its port is taken for now."""

OnLine = Callable[[str, str], None]
"""Called with a worker's name and a line that it wrote."""


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next start: 1 s, twice as long each time, at most 30 s.

    After a minute of running it begins anew.
    """

    _next: float = field(default_factory=lambda: FIRST_DELAY)

    def after(self, ran: float) -> float:
        """The delay in seconds after a process that ran for `ran` seconds."""
        if ran >= HEALTHY_AFTER:
            self._next = FIRST_DELAY
        delay, self._next = self._next, min(self._next * 2, LONGEST_DELAY)
        return delay


@dataclass(slots=True, eq=False)
class _Keeper:
    """A worker of the zoo, its process if it has one, and the task that keeps it running."""

    member: Member
    worker: ZooWorker
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    child: Child | None = None
    hung: bool = False
    task: asyncio.Task[None] | None = None

    def on_hang(self) -> None:
        """End the process; a stopped one hears no polite word."""
        if self.child is not None:
            self.hung = True
            self.child.kill()


class Supervisor:
    """Runs the zoo's workers and watches all workers of the registry. Lives on one event loop."""

    def __init__(
        self,
        registry: Registry,
        client: httpx.AsyncClient,
        on_line: OnLine,
        on_restart: Callable[[], None] = lambda: None,
        command: Sequence[str] | None = None,
    ) -> None:
        self.registry = registry
        self.stopping = False
        self._killed = False
        self._client = client
        self._on_line = on_line
        self._on_restart = on_restart
        self._command = list(command or worker_command())
        self._keepers: dict[str, _Keeper] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}

    def start(self, workers: Sequence[ZooWorker]) -> None:
        """Add the zoo's workers to the registry and start them all; waits for none."""
        for worker in workers:
            member = self.registry.add_zoo(worker)
            keeper = _Keeper(member, worker)
            keeper.task = _task(self._keep(keeper), f"keep {worker.name}")
            self._keepers[member.id] = keeper

    def watch_registered(self, member: Member) -> None:
        """Begin to ask a registered worker for its health."""
        self._watchers[member.id] = self._watch(member)

    def dismiss(self, member: Member) -> None:
        """Take a worker off the list; the process of a zoo worker is drained and ends by itself."""
        self.registry.remove(member)
        if watcher := self._watchers.pop(member.id, None):
            watcher.cancel()
        if keeper := self._keepers.get(member.id):
            keeper.leave.set()

    async def stop(self) -> None:
        """Let every worker finish what it answers, then end it. Returns when none is left."""
        self.stopping = True
        for watcher in self._watchers.values():
            watcher.cancel()
        for keeper in self._keepers.values():
            keeper.leave.set()
        tasks = [*self._watchers.values(), *(k.task for k in self._keepers.values() if k.task)]
        await asyncio.gather(*tasks, return_exceptions=True)

    def kill(self) -> None:
        """End all processes at once; `stop` then returns soon."""
        self._killed = True
        for keeper in self._keepers.values():
            if keeper.child is not None:
                keeper.child.kill()

    def _watch(
        self, member: Member, on_hang: Callable[[], None] | None = None
    ) -> asyncio.Task[None]:
        watching = health.watch(self._client, self.registry, member, on_hang)
        return _task(watching, f"watch {member.name}")

    # -- one worker ------------------------------------------------------------------------------

    async def _keep(self, keeper: _Keeper) -> None:
        """Start a worker again and again, until it is to leave or cannot work."""
        member, backoff = keeper.member, Backoff()
        try:
            while not keeper.leave.is_set():
                began = time.monotonic()
                code, error = await self._run_once(keeper)
                if keeper.leave.is_set():
                    break
                if code == WRONG_USAGE and not member.health.restarts:
                    self.registry.update(member, state="failed", progress=None, error=error)
                    await keeper.leave.wait()
                    break
                self.registry.update(member, state="down", progress=None, error=error)
                delay = backoff.after(time.monotonic() - began)
                self._on_line(member.name, f"{error.splitlines()[0]} Starting again in {delay:g} s")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await keeper.leave.wait()
                        break
                self._on_restart()
                self.registry.update(member, restarts=member.health.restarts + 1)
        finally:
            if self._keepers.get(member.id) is keeper:
                del self._keepers[member.id]

    async def _run_once(self, keeper: _Keeper) -> tuple[int | None, str]:
        """One life of a process: its exit code, and how it ended, with its last words."""
        member, worker = keeper.member, keeper.worker
        try:
            child = keeper.child = await start_child(
                [*self._command, *worker.arguments()],
                worker.environment(),
                lambda line: self._on_line(worker.name, line),
            )
        except OSError as error:
            return None, f"The process cannot be started: {error}."
        # What the life before ended of stays to be read until this one answers.
        self.registry.update(member, state="starting", progress=None)
        keeper.hung = False
        watcher = self._watch(member, keeper.on_hang)
        leaving = asyncio.create_task(keeper.leave.wait())
        ending = asyncio.create_task(child.wait())
        try:
            await asyncio.wait([leaving, ending], return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                self.registry.update(member, state="draining", progress=None)
                watcher.cancel()
                patience = worker.options.drain_timeout + MARGIN
                await child.stop(0 if self._killed else patience)
            code = await ending
            how = "ended"
            if keeper.hung:
                how = f"answered nothing for {health.HANGING_AFTER:g} seconds and was ended"
            return code, f"The process {how} ({told(code)}).\n{child.last_words}".rstrip()
        finally:
            for task in (watcher, leaving, ending):
                task.cancel()
            keeper.child = None


def _task(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """A task whose failure is told at once, and not when somebody asks for its result."""

    def report(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("the hub's own fault", task=name, exc_info=error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(report)
    return task


def told(code: int) -> str:
    """An exit code for a person: `exit code 1`, `signal 9`."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def worker_command() -> list[str]:
    """The command that starts a worker with this very Python and this very ChatZoo.

    `-m` looks into the working directory first, where another package named `server` may lie;
    `-P` keeps it out, unless that directory is where ours comes from.
    """
    ours = Path(server.__file__).resolve().parents[1]
    here = [] if ours == Path.cwd() else ["-P"]
    return [sys.executable, *here, "-m", "server"]
