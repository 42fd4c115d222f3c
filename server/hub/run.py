"""The hub as a program: from a zoo file to the moment when no process is left."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from server.http.address import http_url, is_loopback, reachable
from server.http.ports import check_free, listen
from server.hub.app import create_hub
from server.hub.console import HubConsole
from server.hub.health import health_client
from server.hub.metrics import HubMetrics
from server.hub.registry import Registry
from server.hub.supervisor import Supervisor
from server.hub.zoo import Zoo

LAST_REQUESTS = 2
"""Seconds that running requests for the page and the list have when the hub ends."""


class HubServer(uvicorn.Server):
    """uvicorn that leaves signals to the hub, which ends only after its workers."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._on_started()


def up(zoo: Zoo, console: HubConsole) -> None:
    """Run the hub until Ctrl-C or SIGTERM. Raises ConfigError when a port is taken."""
    own = listen(
        zoo.host,
        zoo.port,
        "end that, or give the hub another port with --port. Is a hub running already?",
    )
    with contextlib.closing(own):
        for worker in zoo.workers:
            check_free(
                worker.options.host,
                worker.options.port,
                f"end that, or give {worker.name!r} another port in the zoo file.",
            )
        asyncio.run(_Hub(zoo, console).run(own))


class _Hub:
    """The parts of a running hub, put together."""

    def __init__(self, zoo: Zoo, console: HubConsole) -> None:
        self.zoo = zoo
        self.console = console
        self.registry = Registry()
        self.registry.listeners.append(console.health)
        self.metrics = HubMetrics(self.registry)
        self.told_to_stop = asyncio.Event()
        self.supervisor: Supervisor
        self.server: HubServer

    async def run(self, own: socket.socket) -> None:
        """Serve the page and run the workers, until told to stop."""
        async with health_client() as client:
            self.supervisor = Supervisor(
                self.registry, client, self.console.line, self.metrics.restarts.inc
            )
            app = create_hub(
                self.registry,
                self.supervisor,
                self.metrics,
                host=self.zoo.host,
                allow_host=self.zoo.allow_host,
            )
            config = uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=LAST_REQUESTS,
            )
            self.server = HubServer(config, self._say_address)
            with self.console, self._signals():
                await self._serve(own)

    async def _serve(self, own: socket.socket) -> None:
        serving = asyncio.create_task(self.server.serve(sockets=[own]))
        serving.add_done_callback(lambda _: self.told_to_stop.set())
        self.supervisor.start(self.zoo.workers)
        try:
            await self.told_to_stop.wait()
        finally:
            # The page is served to the end, so that people see how the workers stop.
            await self.supervisor.stop()
            self.server.should_exit = True
            await serving

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Within: the first Ctrl-C or SIGTERM begins the end, the second ends everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        if self.told_to_stop.is_set():
            self.console.say("Ending all workers at once.")
            self.supervisor.kill()
            self.server.force_exit = True
            return
        self.told_to_stop.set()
        if self.zoo.workers:
            self.console.say("Stopping: answers that run may finish. Once more ends them at once.")

    def _say_address(self) -> None:
        url = http_url(reachable(self.zoo.host), self.zoo.port)
        self.console.say(f"\n  [bold]ChatZoo[/] is at [bold underline]{url}[/]\n")
        if not is_loopback(self.zoo.host):
            self.console.say(
                "[yellow]Everybody who reaches this machine can use it: the hub has no password.[/]"
            )
