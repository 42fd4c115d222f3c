"""The runner: order, stop, time limit, pauses, drain."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from bots.chatbot import ChatBot
from bots.events import Delta, Done, Message, Start, Step
from bots.hooks import Inputs
from bots.settings import BotSettings
from bots.streaming.pause import Pause, Resume
from server.http.errors import ApiError
from server.worker.metrics import Metrics
from server.worker.runner import Runner
from server.worker.ticket import Queued
from tests.server.worker.conftest import GatedBot, all_of, run, runner_of, submit, until


def test_waiting_requests_get_their_position_and_run_in_order() -> None:
    async def test() -> None:
        bot = GatedBot()
        async with runner_of(bot) as runner:
            first, second, third = (submit(runner, name) for name in "abc")
            assert (runner.running, runner.waiting) == (1, 2)
            with pytest.raises(ApiError) as full:
                submit(runner, "d")
            assert full.value.status == 429
            assert full.value.headers["Retry-After"]

            reader = asyncio.create_task(all_of(third))
            events = second.events()
            assert await anext(events) == Queued(1)
            assert runner.cancel("a")
            assert isinstance(await anext(events), Start)
            assert (await all_of(first))[-1].finish_reason == "cancelled"  # type: ignore[attr-defined]
            assert runner.cancel("c")
            got = await reader
            assert got[-2] == Queued(1)
            assert isinstance(got[-1], Done)
            assert got[-1].finish_reason == "cancelled"
            assert bot.steps == 0

    run(test)


def test_leaving_the_stream_stops_the_decoding_within_one_step() -> None:
    async def test() -> None:
        bot = GatedBot()
        async with runner_of(bot) as runner:
            events = submit(runner, "a").events()
            assert isinstance(await anext(events), Start)
            bot.gate.release()
            assert await anext(events) == Delta(text="x")
            await events.aclose()  # type: ignore[attr-defined]
            bot.gate.release(100)
            await until(lambda: runner.running == 0)
            assert bot.steps <= 2

    run(test)


def test_an_error_comes_after_the_events_before_it_and_frees_the_place() -> None:
    async def test() -> None:
        bot = GatedBot()
        async with runner_of(bot) as runner:
            bot.gate.release()
            with pytest.raises(RuntimeError, match="on purpose"):
                await all_of(submit(runner, "a", "break"))
            await until(lambda: runner.running == 0)
            assert runner.metrics.registry.get_sample_value(
                "chatzoo_request_errors_total", {"code": "internal_error"}
            )

    run(test)


def test_a_request_has_a_time_limit() -> None:
    async def test() -> None:
        bot = GatedBot()
        async with runner_of(bot, limit=0.05) as runner:
            running, waiting = submit(runner, "a"), submit(runner, "b")
            for ticket in (running, waiting):
                with pytest.raises(ApiError) as late:
                    await all_of(ticket)
                assert late.value.status == 504
            await until(lambda: runner.running == 0)
            assert runner.waiting == 0

    run(test)


def test_draining_lets_running_requests_finish_and_refuses_new_ones() -> None:
    async def test() -> None:
        bot = GatedBot()
        async with runner_of(bot) as runner:
            ticket = submit(runner, "a")
            drained = asyncio.create_task(runner.drain(30))
            await until(lambda: runner.draining)
            with pytest.raises(ApiError) as refused:
                submit(runner, "b")
            assert refused.value.status == 503
            assert not drained.done()
            runner.cancel("a")
            assert isinstance((await all_of(ticket))[-1], Done)
            await drained

    run(test)


def test_draining_stops_what_takes_too_long() -> None:
    async def test() -> None:
        async with runner_of(GatedBot()) as runner:
            tickets = submit(runner, "a"), submit(runner, "b")
            await runner.drain(0.01)
            for ticket in tickets:
                last = (await all_of(ticket))[-1]
                assert isinstance(last, Done)
                assert last.finish_reason == "cancelled"

    run(test)


def test_the_reader_of_a_released_waiting_request_ends() -> None:
    async def test() -> None:
        async with runner_of(GatedBot()) as runner:
            submit(runner, "a")
            waiting = submit(runner, "b")
            reader = asyncio.create_task(all_of(waiting))
            waiting.release()
            async with asyncio.timeout(5):
                last = (await reader)[-1]
            assert isinstance(last, Done)
            assert last.finish_reason == "cancelled"

    run(test)


def test_an_id_stops_all_prompts_of_its_request() -> None:
    async def test() -> None:
        async with runner_of(GatedBot()) as runner:
            tickets = [submit(runner, name) for name in ("a", "a-1", "ab")]
            assert runner.cancel("a")
            assert (await all_of(tickets[1]))[-1].finish_reason == "cancelled"  # type: ignore[attr-defined]
            assert [tickets[n].stop.is_set() for n in range(3)] == [True, True, False]

    run(test)


def test_cancelling_an_unknown_request_returns_false() -> None:
    async def test() -> None:
        async with runner_of(GatedBot()) as runner:
            assert not runner.cancel("nobody")

    run(test)


class PausingBot(ChatBot):
    """Yields two tokens, each after a pause that the test ends; records the threads it ran in."""

    def __init__(self) -> None:
        super().__init__()
        self.resumes: SimpleQueue[Resume] = SimpleQueue()
        self.threads: list[str] = []

    def load_model(self) -> None:
        pass

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return messages[-1].content

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step | Pause]:
        for text in "xy":
            yield Pause(self.resumes.put)
            self.threads.append(threading.current_thread().name)
            if inputs.prompt == "break":
                raise RuntimeError("broken on purpose")
            if stop.is_set():
                return
            yield Step(text=text)


def test_requests_that_pause_go_on_in_the_thread_that_resumes_them() -> None:
    async def test() -> None:
        bot = PausingBot()
        runner = Runner(max_queue=0, timeout=60, metrics=Metrics())
        runner.open(bot, 3)
        tickets = [submit(runner, "a"), submit(runner, "b"), submit(runner, "c", "break")]
        readers = [asyncio.create_task(all_of(ticket)) for ticket in tickets]
        with ThreadPoolExecutor(1, thread_name_prefix="resuming") as resuming:
            for _ in range(5):
                await asyncio.wrap_future(resuming.submit(lambda: bot.resumes.get()()))
        for reader in readers[:2]:
            start, *said, done = await reader
            assert isinstance(start, Start)
            assert said in ([Delta("x"), Delta("y")], [Delta("xy")])
            assert isinstance(done, Done)
        with pytest.raises(RuntimeError, match="on purpose"):
            await readers[2]
        await until(lambda: runner.running == 0)
        assert set(bot.threads) == {"resuming_0"}
        runner.close()

    run(test)


def test_closing_waits_for_requests_that_pause() -> None:
    async def test() -> None:
        bot = PausingBot()
        async with runner_of(bot) as runner:
            reader = asyncio.create_task(all_of(submit(runner, "a")))
            resume = await asyncio.to_thread(bot.resumes.get)
            runner.close()
            resume()
            assert (await reader)[-1].finish_reason == "cancelled"  # type: ignore[attr-defined]

    run(test)
