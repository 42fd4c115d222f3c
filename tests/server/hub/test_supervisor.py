"""Starting again and giving up, with small scripts in the place of workers."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable

import httpx
import pytest

from server.hub import health
from server.hub import supervisor as module
from server.hub.registry import Member, Registry
from server.hub.supervisor import Backoff, Supervisor, told, worker_command
from server.hub.zoo import ZooWorker
from server.worker.config import WorkerConfig


def test_delays_double_up_to_half_a_minute() -> None:
    backoff = Backoff()
    assert [backoff.after(0.1) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_minute_of_running_begins_anew() -> None:
    backoff = Backoff()
    assert [backoff.after(ran) for ran in (0, 0, 0, 61, 0)] == [1, 2, 4, 1, 2]


def test_exit_codes_in_words() -> None:
    assert told(-9) == "signal 9"
    assert told(1) == "exit code 1"


def test_workers_run_with_this_python() -> None:
    command = worker_command()
    assert command[0] == sys.executable
    assert command[-2:] == ["-m", "server"]


def supervise(
    script: str,
    use: Callable[[Supervisor, Member], Awaitable[None]],
    answers: Iterable[httpx.Response] = (),
) -> tuple[list[str], list[float]]:
    """Supervise one "worker"; the lines that it wrote, and when it was started again.

    It gives these answers to the hub, and none after them.
    """
    left = iter(answers)
    lines: list[str] = []
    restarts: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if (found := next(left, None)) is not None:
            return found
        raise httpx.ConnectError("refused", request=request)

    async def main() -> None:
        registry = Registry()
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            supervisor = Supervisor(
                registry,
                client,
                lambda name, line: lines.append(line),
                lambda: restarts.append(time.monotonic()),
                [sys.executable, "-c", script],
            )
            options = WorkerConfig(type="echo", drain_timeout=0)
            supervisor.start([ZooWorker("One", options, frozenset(), 1)])
            (member,) = registry
            async with asyncio.timeout(30):
                await use(supervisor, member)
                await supervisor.stop()

    asyncio.run(main())
    return lines, restarts


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 (the condition knows no events)
        await asyncio.sleep(0.01)


def test_it_is_started_again_and_tells_why_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)

    async def use(supervisor: Supervisor, member: Member) -> None:
        await until(lambda: member.health.restarts >= 2)
        await until(lambda: member.health.error is not None)
        assert member.health.error == "The process ended (exit code 1).\nno memory left"

    lines, restarts = supervise("import sys; sys.exit('no memory left')", use)
    assert len(restarts) >= 2
    assert "no memory left" in lines
    assert any("Starting again in" in line for line in lines)


def test_wrong_options_are_not_tried_again() -> None:
    async def use(supervisor: Supervisor, member: Member) -> None:
        await until(lambda: member.health.state == "failed")
        assert member.health.error == "The process ended (exit code 2).\nError: no such option"

    _, restarts = supervise(
        "import sys; print('Error: no such option', file=sys.stderr); sys.exit(2)", use
    )
    assert restarts == []


def test_one_that_hangs_is_ended_with_what_it_started_and_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It answers once, then never: what `kill -STOP` makes of a worker."""
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(health, "HANGING_AFTER", 0)
    monkeypatch.setattr(health, "SOON", 0.01)
    monkeypatch.setattr(health, "LATER", 0.01)
    answers = [httpx.Response(200, json={"state": "ready"})]

    async def use(supervisor: Supervisor, member: Member) -> None:
        await until(lambda: member.health.restarts == 1 and member.health.state == "starting")
        error = member.health.error
        assert error is not None
        assert error.splitlines()[0] == (
            "The process answered nothing for 0 seconds and was ended (signal 9)."
        )

    script = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    lines, restarts = supervise(script, use, answers)
    assert len(restarts) == 1
    assert any("answered nothing" in line and "Starting again" in line for line in lines)


def test_stopping_does_not_wait_for_the_next_start() -> None:
    async def use(supervisor: Supervisor, member: Member) -> None:
        await until(lambda: member.health.state == "down")

    began = time.monotonic()
    supervise("raise SystemExit(1)", use)
    assert time.monotonic() - began < 25


def test_a_killed_supervisor_waits_for_nobody() -> None:
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(600)"

    async def use(supervisor: Supervisor, member: Member) -> None:
        await until(lambda: member.health.state == "starting" and supervisor._keepers[member.id])
        stopping = asyncio.create_task(supervisor.stop())
        await asyncio.sleep(0)
        supervisor.kill()
        await stopping

    supervise(script, use)
