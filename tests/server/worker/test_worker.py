"""A worker's state and the limits on its requests."""

import threading
from typing import Any

import pytest

from bots.backends.echo import EchoBot
from bots.errors import ConfigError, InvalidRequest, LoadError
from bots.events import Message
from server.http.errors import ApiError
from server.worker.config import load_config
from server.worker.schema import ProgressBody
from server.worker.worker import Worker
from tests.server.worker.conftest import run, until


class Failing(EchoBot):
    """Fails to load."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def load_model(self) -> None:
        raise self.error


def worker_of(bot: EchoBot | None = None, *, on_progress: Any = None, **options: Any) -> Worker:
    return Worker(bot or EchoBot(), load_config({"type": "echo", **options}, env={}), on_progress)


async def started(worker: Worker, state: str = "ready") -> Worker:
    worker.start()
    await until(lambda: worker.state == state)
    return worker


def test_it_is_loading_then_ready_then_draining() -> None:
    async def test() -> None:
        seen: list[ProgressBody | None] = []
        worker = worker_of(on_progress=seen.append)
        assert worker.progress is not None
        await started(worker)
        await until(lambda: bool(seen) and seen[-1] is None)
        assert worker.progress is None
        worker.check_ready()
        await worker.close()
        with pytest.raises(ApiError) as draining:
            worker.check_ready()
        assert worker.state == "draining"
        assert (draining.value.status, draining.value.headers["Retry-After"]) == (503, "10")

    run(test)


@pytest.mark.parametrize(
    ("error", "reason", "exits"),
    [
        (LoadError("no weights there"), "no weights there", False),
        (KeyError("odd"), "KeyError: 'odd'", False),
        (ConfigError("no such type"), "no such type", True),
    ],
)
def test_a_failure_to_load_is_a_state(error: Exception, reason: str, exits: bool) -> None:
    async def test() -> None:
        worker = await started(worker_of(Failing(error)), "failed")
        assert worker.error == reason
        await until(lambda: worker.progress is None)
        assert (worker.misconfigured is not None) == exits
        with pytest.raises(ApiError, match=reason):
            worker.check_ready()

    run(test)


def test_settings_have_the_worker_s_limit_on_new_tokens() -> None:
    worker = worker_of(max_new_tokens=3)
    assert worker.settings({}).max_new_tokens == 3
    assert worker.settings({"max_new_tokens": 2}).max_new_tokens == 2
    with pytest.raises(InvalidRequest) as refused:
        worker.settings({"max_new_tokens": 4})
    assert refused.value.param == "max_new_tokens"
    field = worker.params_schema()["properties"]["max_new_tokens"]
    assert (field["maximum"], field["default"]) == (3, 3)


def test_conversations_have_a_limit_on_messages() -> None:
    async def test() -> None:
        worker = await started(worker_of(max_messages=1))
        prepared = await worker.prepare([Message("user", "a b")], {})
        assert (prepared.inputs.prompt, prepared.prompt_tokens) == ("a b", 2)
        with pytest.raises(InvalidRequest, match="at most 1"):
            await worker.prepare([Message("user", "a"), Message("assistant", "b")], {})
        await worker.close()

    run(test)


def test_no_more_requests_run_than_the_bot_can() -> None:
    async def test() -> None:
        for wanted, running in ((2, 2), (4096, EchoBot.max_running)):
            worker = await started(worker_of(max_running=wanted))
            assert worker.runner.max_running == running
            await worker.close()

    run(test)


def test_a_bot_is_made_in_the_loading_thread() -> None:
    async def test() -> None:
        threads: list[str] = []

        def make() -> EchoBot:
            threads.append(threading.current_thread().name)
            return EchoBot()

        worker = Worker(make, load_config({"type": "echo"}, env={}))
        with pytest.raises(AttributeError):
            _ = worker.runner
        await started(worker)
        assert threads == ["load"]
        assert worker.supports("rate")
        assert not worker.supports("nope")
        await worker.close()

    run(test)
