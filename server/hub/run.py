"""Runs a hub: from a zoo file until no process is left.

The order at the end: workers drain while the page is still served, then their processes end, then
the server of the page stops.
"""

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

SHUTDOWN_SECONDS = 2
"""How long running requests for the page and the list may take when the hub ends."""


class HubServer(uvicorn.Server):
    """A uvicorn server without signal handlers: the hub stops it after the workers."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, then call `on_started`."""
        await super().startup(sockets)
        self._on_started()


def up(zoo: Zoo, console: HubConsole) -> None:
    """Run a hub until Ctrl-C or SIGTERM. Raises ConfigError for a port that is taken."""
    listener = listen(
        zoo.host,
        zoo.port,
        "end that, or give the hub another port with --port. Is a hub running already?",
    )
    with contextlib.closing(listener):
        # Checked here, as one sentence now is better than a worker that fails later.
        for worker in zoo.workers:
            check_free(
                worker.options.host,
                worker.options.port,
                f"end that, or give {worker.name!r} another port in the zoo file.",
            )
        asyncio.run(_Hub(zoo, console).run(listener))


class _Hub:
    """The parts of a running hub, and what signals do to them."""

    def __init__(self, zoo: Zoo, console: HubConsole) -> None:
        self.zoo = zoo
        self.console = console
        self.registry = Registry()
        self.registry.listeners.append(console.show_health)
        self.metrics = HubMetrics(self.registry)
        self.stop_requested = asyncio.Event()
        self.supervisor: Supervisor
        self.server: HubServer

    async def run(self, listener: socket.socket) -> None:
        """Serve the page on the socket `listener` and run the workers, until a signal comes."""
        async with health_client() as client:
            self.supervisor = Supervisor(
                self.registry, client, self.console.print_line, self.metrics.restarts.inc
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
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
            self.server = HubServer(config, self._print_address)
            with self.console, self._signal_handlers():
                await self._serve(listener)

    async def _serve(self, listener: socket.socket) -> None:
        serving = asyncio.create_task(self.server.serve(sockets=[listener]))
        # A server that fails ends the hub, too.
        serving.add_done_callback(lambda _: self.stop_requested.set())
        self.supervisor.start(self.zoo.workers)
        try:
            await self.stop_requested.wait()
        finally:
            # The page is served to the end, so that people see how the workers stop.
            await self.supervisor.stop()
            self.server.should_exit = True
            await serving

    @contextlib.contextmanager
    def _signal_handlers(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        """The first signal drains the workers, the second kills them."""
        if self.stop_requested.is_set():
            self.console.print("Ending all workers at once.")
            self.supervisor.kill()
            self.server.force_exit = True
            return
        self.stop_requested.set()
        if self.zoo.workers:
            self.console.print("Stopping: running answers may finish. Once more ends them at once.")

    def _print_address(self) -> None:
        url = http_url(reachable(self.zoo.host), self.zoo.port)
        self.console.print(f"\n  [bold]ChatZoo[/] is at [bold underline]{url}[/]\n")
        if not is_loopback(self.zoo.host):
            self.console.print(
                "[yellow]Everybody who reaches this machine can use it: the hub has no password.[/]"
            )
