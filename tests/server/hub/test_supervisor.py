"""Restarting and giving up, with small scripts in place of workers."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import httpx

from server.hub.health import HealthPolicy
from server.hub.registry import Member, Registry
from server.hub.restarts import RestartPolicy
from server.hub.schema import NewWorker
from server.hub.supervisor import Supervisor, describe_exit, worker_command
from server.hub.zoo_worker import ZooWorker
from server.worker.config import WorkerConfig

IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
AT_ONCE = RestartPolicy(first_delay=0.01)


def test_exit_codes_in_words() -> None:
    assert describe_exit(-9) == "signal 9"
    assert describe_exit(1) == "exit code 1"


def test_workers_run_with_this_python() -> None:
    command = worker_command()
    assert command[0] == sys.executable
    assert command[-2:] == ["-m", "server"]


@dataclass
class Supervised:
    """A supervisor of one "worker", the lines of that, and how often it was restarted."""

    supervisor: Supervisor
    registry: Registry
    lines: list[str] = field(default_factory=list)
    restarts: int = 0

    @property
    def member(self) -> Member:
        (member,) = self.registry
        return member


def supervise(
    script: str,
    use: Callable[[Supervised], Awaitable[None]],
    answers: Iterable[httpx.Response] = (),
    restarts: RestartPolicy = AT_ONCE,
    hangs_after: float = 60,
) -> Supervised:
    """Run a script as a worker, and `use` meanwhile; then stop it.

    The hub's polls get these answers, and none after them.
    """
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if (found := next(left, None)) is not None:
            return found
        raise httpx.ConnectError("refused", request=request)

    async def main() -> Supervised:
        registry = Registry()
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            supervisor = Supervisor(
                registry,
                client,
                lambda name, line: found.lines.append(line),
                lambda: setattr(found, "restarts", found.restarts + 1),
                command=[sys.executable, "-c", script],
                health=HealthPolicy(fast=0.01, slow=0.01, hangs_after=hangs_after),
                restarts=restarts,
            )
            found = Supervised(supervisor, registry)
            options = WorkerConfig(type="echo", drain_timeout=0)
            supervisor.start([ZooWorker("One", options, frozenset(), 1)])
            async with asyncio.timeout(30):
                await use(found)
                await supervisor.stop()
        return found

    return asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 (there is no event to wait for)
        await asyncio.sleep(0.01)


def test_it_is_restarted_and_the_reason_of_its_end_is_kept() -> None:
    async def use(one: Supervised) -> None:
        await until(lambda: one.member.health.restarts >= 2)
        await until(lambda: one.member.health.error is not None)
        assert one.member.health.error == "The process ended (exit code 1).\nno memory left"

    found = supervise("import sys; sys.exit('no memory left')", use)
    assert found.restarts >= 2
    assert "no memory left" in found.lines
    assert any("Starting again in" in line for line in found.lines)


def test_a_worker_with_wrong_options_is_not_restarted() -> None:
    async def use(one: Supervised) -> None:
        await until(lambda: one.member.health.state == "failed")
        assert one.member.health.error == "The process ended (exit code 2).\nError: no such option"

    script = "import sys; print('Error: no such option', file=sys.stderr); sys.exit(2)"
    assert supervise(script, use).restarts == 0


def test_a_program_that_is_not_there_is_a_reason() -> None:
    async def main() -> str | None:
        registry = Registry()
        async with httpx.AsyncClient() as client:
            supervisor = Supervisor(
                registry, client, lambda *_: None, command=["./no-such-program"]
            )
            supervisor.start([ZooWorker("One", WorkerConfig(type="echo"), frozenset(), 1)])
            (member,) = registry
            await until(lambda: member.health.state == "down")
            await supervisor.stop()
        return member.health.error

    assert "cannot be started" in (asyncio.run(main()) or "")


def test_a_hung_worker_is_killed_and_restarted() -> None:
    """It answers once, then never: what `kill -STOP` makes of a worker."""

    async def use(one: Supervised) -> None:
        await until(lambda: one.restarts == 1 and one.member.health.state == "starting")
        error = one.member.health.error
        assert error is not None
        assert error.splitlines()[0] == (
            "The process answered nothing for 0 seconds and was ended (signal 9)."
        )

    ready = [httpx.Response(200, json={"state": "ready"})]
    found = supervise(IGNORES_SIGTERM, use, ready, hangs_after=0)
    assert found.restarts == 1
    assert any("answered nothing" in line and "Starting again" in line for line in found.lines)


def test_stopping_does_not_wait_for_the_next_start() -> None:
    async def use(one: Supervised) -> None:
        await until(lambda: one.member.health.state == "down")

    began = time.monotonic()
    supervise("raise SystemExit(1)", use, restarts=RestartPolicy(first_delay=600))
    assert time.monotonic() - began < 25


def test_a_killed_supervisor_does_not_wait_for_workers_to_drain() -> None:
    async def use(one: Supervised) -> None:
        await until(lambda: "up" in one.lines)
        stopping = asyncio.create_task(one.supervisor.stop())
        await asyncio.sleep(0)
        one.supervisor.kill()
        began = time.monotonic()
        await stopping
        assert time.monotonic() - began < 4

    supervise(IGNORES_SIGTERM, use)


def test_a_registered_worker_is_polled_until_it_is_dismissed() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"state": "ready"})

    async def main() -> None:
        registry = Registry()
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            policy = HealthPolicy(fast=0.01, slow=0.01)
            supervisor = Supervisor(registry, client, lambda *_: None, health=policy)
            member = registry.register(NewWorker(name="Mine", url="worker:1"))
            supervisor.watch_registered(member)
            await until(lambda: member.health.state == "ready" and len(asked) > 1)
            supervisor.dismiss(member)
            assert list(registry) == []
            await supervisor.stop()

    asyncio.run(main())
    assert set(asked) == {"http://worker:1/readyz"}
