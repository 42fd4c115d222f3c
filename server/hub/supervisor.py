"""Keeps the workers of the zoo running: starts, watches, restarts and stops them.

There is one task for each worker. The registry holds their health, `server.hub.health` polls it.
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
from server.hub.health import HealthPolicy, poll_health
from server.hub.process import ChildProcess, start_child
from server.hub.registry import Member, Registry
from server.hub.restarts import Backoff, RestartPolicy
from server.hub.zoo_worker import ZooWorker

log = structlog.get_logger("chatzoo.hub")

DRAIN_MARGIN = 5.0
"""Seconds beyond its own drain time-out that a worker has to end before it is killed."""
WRONG_USAGE = 2
"""Exit code of a worker whose options cannot work."""

OnLine = Callable[[str, str], None]
"""Called with a worker's name and a line of its output."""


@dataclass(slots=True, eq=False)
class _Managed:
    """A worker of the zoo, its process if it runs, and the task that keeps it running."""

    member: Member
    worker: ZooWorker
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    child: ChildProcess | None = None
    hung: bool = False
    task: asyncio.Task[None] | None = None

    def kill_hung(self) -> None:
        """Kill the process: a stopped or blocked one would not react to SIGTERM."""
        if self.child is not None:
            self.hung = True
            self.child.kill()


class Supervisor:
    """Runs the zoo's workers and polls all workers of the registry. Lives on one event loop."""

    def __init__(
        self,
        registry: Registry,
        client: httpx.AsyncClient,
        on_line: OnLine,
        on_restart: Callable[[], None] = lambda: None,
        *,
        command: Sequence[str] | None = None,
        health: HealthPolicy | None = None,
        restarts: RestartPolicy | None = None,
    ) -> None:
        self.registry = registry
        self.stopping = False
        self._killed = False
        self._client = client
        self._on_line = on_line
        self._on_restart = on_restart
        self._command = list(command or worker_command())
        self._health = health or HealthPolicy()
        self._restarts = restarts or RestartPolicy()
        self._managed: dict[str, _Managed] = {}
        self._pollers: dict[str, asyncio.Task[None]] = {}

    def start(self, workers: Sequence[ZooWorker]) -> None:
        """Add the zoo's workers to the registry and start all of them; does not wait."""
        for worker in workers:
            member = self.registry.add_zoo(worker)
            managed = _Managed(member, worker)
            managed.task = _task(self._keep_running(managed), f"run {worker.name}")
            self._managed[member.id] = managed

    def watch_registered(self, member: Member) -> None:
        """Begin to poll a registered worker."""
        self._pollers[member.id] = self._poll(member)

    def dismiss(self, member: Member) -> None:
        """Remove a worker from the list; does not wait for the process of a zoo worker to drain."""
        self.registry.remove(member)
        if poller := self._pollers.pop(member.id, None):
            poller.cancel()
        if managed := self._managed.get(member.id):
            managed.leave.set()

    async def stop(self) -> None:
        """Drain and end all workers; returns when no process is left."""
        self.stopping = True
        for poller in self._pollers.values():
            poller.cancel()
        for managed in self._managed.values():
            managed.leave.set()
        tasks = [*self._pollers.values(), *(m.task for m in self._managed.values() if m.task)]
        await asyncio.gather(*tasks, return_exceptions=True)

    def kill(self) -> None:
        """Kill all processes; a running `stop` then returns soon."""
        self._killed = True
        for managed in self._managed.values():
            if managed.child is not None:
                managed.child.kill()

    def _poll(
        self, member: Member, on_hang: Callable[[], None] | None = None
    ) -> asyncio.Task[None]:
        polling = poll_health(self._client, self.registry, member, self._health, on_hang)
        return _task(polling, f"poll {member.name}")

    # -- one worker ------------------------------------------------------------------------------

    async def _keep_running(self, managed: _Managed) -> None:
        """Start a worker again whenever it ends, until it is dismissed or its options are wrong."""
        member, backoff = managed.member, Backoff(self._restarts)
        try:
            while not managed.leave.is_set():
                began = time.monotonic()
                code, reason = await self._run_once(managed)
                if managed.leave.is_set():
                    break
                # Only of the first process this code means options that can never work. Later it
                # means, for example, that another program has taken the port for now.
                if code == WRONG_USAGE and not member.health.restarts:
                    self.registry.update(member, state="failed", progress=None, error=reason)
                    await managed.leave.wait()
                    break
                self.registry.update(member, state="down", progress=None, error=reason)
                delay = backoff.next_delay(time.monotonic() - began)
                self._on_line(
                    member.name, f"{reason.splitlines()[0]} Starting again in {delay:g} s"
                )
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await managed.leave.wait()
                        break
                self._on_restart()
                self.registry.update(member, restarts=member.health.restarts + 1)
        finally:
            # The same id may be in use again: a removed worker drains while its address is
            # registered by hand.
            if self._managed.get(member.id) is managed:
                del self._managed[member.id]

    async def _run_once(self, managed: _Managed) -> tuple[int | None, str]:
        """Run the process until it ends; its exit code, and the reason with its last lines."""
        member, worker = managed.member, managed.worker
        try:
            child = managed.child = await start_child(
                [*self._command, *worker.arguments()],
                worker.environment(),
                lambda line: self._on_line(worker.name, line),
            )
        except OSError as error:
            return None, f"The process cannot be started: {error}."
        # `error` stays: the reason of the last end can be read until this process answers.
        self.registry.update(member, state="starting", progress=None)
        managed.hung = False
        poller = self._poll(member, managed.kill_hung)
        leaving = asyncio.create_task(managed.leave.wait())
        ending = asyncio.create_task(child.wait())
        try:
            await asyncio.wait([leaving, ending], return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                self.registry.update(member, state="draining", progress=None)
                # Its silence at the end is no hang and does not mean that it is down.
                poller.cancel()
                grace = worker.options.drain_timeout + DRAIN_MARGIN
                await child.stop(0 if self._killed else grace)
            code = await ending
            end = "ended"
            if managed.hung:
                end = f"answered nothing for {self._health.hangs_after:g} seconds and was ended"
            return code, f"The process {end} ({describe_exit(code)}).\n{child.stderr_tail}".rstrip()
        finally:
            for task in (poller, leaving, ending):
                task.cancel()
            managed.child = None


def _task(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """A task whose failure is logged at once: its result is not awaited before the hub stops."""

    def log_failure(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("internal error of the hub", task=name, exc_info=error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(log_failure)
    return task


def describe_exit(code: int) -> str:
    """An exit code in words: `exit code 1`, `signal 9`."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def worker_command() -> list[str]:
    """The command that starts a worker with this Python and this ChatZoo.

    `-m` searches the working directory first, where another package named `server` may be; `-P`
    prevents that, unless the working directory is the one that ours was imported from.
    """
    ours = Path(server.__file__).resolve().parents[1]
    isolation = [] if ours == Path.cwd() else ["-P"]
    return [sys.executable, *isolation, "-m", "server"]
