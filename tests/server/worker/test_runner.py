"""The runner: places, order, stop, time limit, drain."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from queue import SimpleQueue

import pytest

from bots.chatbot import ChatBot, Inputs
from bots.events import Delta, Done, Message, Start, Step
from bots.settings import BotSettings
from bots.streaming.pause import Pause, Resume
from server.http.errors import ApiError
from server.worker.metrics import Metrics
from server.worker.runner import Runner
from server.worker.ticket import Call, KeepAlive, Queued, Ticket
from server.worker.timings import Timings
from server.worker.wakeup import INTERVAL_SECONDS


class GatedBot(ChatBot):
    """Says one token each time the gate is opened, until told to stop; counts its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Semaphore(0)
        self.steps = 0

    def load_model(self) -> None:
        pass

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return messages[-1].content

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step]:
        while not stop.is_set():
            if self.gate.acquire(timeout=0.005):
                self.steps += 1
                if inputs.prompt == "break":
                    raise RuntimeError("broken on purpose")
                yield Step(text="x")


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (the condition belongs to threads)
            await asyncio.sleep(0.001)


@asynccontextmanager
async def runner_of(
    bot: ChatBot, limit: float = 60, wake_interval: float = INTERVAL_SECONDS
) -> AsyncIterator[Runner]:
    """A runner with one place to run, two to wait and `limit` seconds a request."""
    runner = Runner(max_queue=2, timeout=limit, metrics=Metrics(), wake_interval=wake_interval)
    runner.open(bot, 1)
    try:
        yield runner
    finally:
        runner.close()
        await until(lambda: runner.running == 0)


def submit(runner: Runner, name: str, prompt: str = "hi") -> Ticket:
    prepared = GatedBot().prepare([Message("user", prompt)], BotSettings())
    return runner.submit(prepared, Call(name))


async def all_of(ticket: Ticket) -> list[object]:
    return [event async for event in ticket.events()]


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def test_waiting_requests_learn_their_place_and_run_in_order() -> None:
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


def test_an_error_comes_after_what_was_said_and_frees_the_place() -> None:
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


def test_a_request_has_so_much_time() -> None:
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


def test_silence_is_told() -> None:
    async def test() -> None:
        async with runner_of(GatedBot()) as runner:
            events = submit(runner, "a").events(keep_alive=0.01)
            assert isinstance(await anext(events), Start)
            assert await anext(events) == KeepAlive()

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


def test_deltas_that_arrive_together_are_one() -> None:
    async def test() -> None:
        bot = GatedBot()
        async with runner_of(bot) as runner:
            events = submit(runner, "a").events()
            assert isinstance(await anext(events), Start)
            bot.gate.release(5)
            # The thread goes on while the loop is held up here, as it is by a slow reader.
            deadline = threading.Event()
            while bot.steps < 5:
                deadline.wait(0.001)
            text = ""
            while len(text) < 5:
                event = await anext(events)
                assert isinstance(event, Delta)
                text += event.text
            assert text == "xxxxx"

    run(test)


def test_a_reader_of_a_waiting_request_that_is_given_up_ends() -> None:
    async def test() -> None:
        async with runner_of(GatedBot()) as runner:
            submit(runner, "a")
            waiting = submit(runner, "b")
            reader = asyncio.create_task(all_of(waiting))
            waiting.abandon()
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


def test_cancelling_what_is_not_there_is_told() -> None:
    async def test() -> None:
        async with runner_of(GatedBot()) as runner:
            assert not runner.cancel("nobody")

    run(test)


def test_the_rate_is_of_the_tokens_after_the_first() -> None:
    timings = Timings(arrived=1, submitted=1.2, admitted=1.5, first_token=2, last_token=4, ended=5)
    assert timings.summary(11) == {
        "queue_ms": 300,
        "ttft_ms": 1000,
        "total_ms": 4000,
        "tokens_per_second": 5.0,
    }
    assert Timings(arrived=1, submitted=1, ended=2).summary(0)["tokens_per_second"] is None


class PausingBot(ChatBot):
    """Says two tokens, with a pause before each that the test ends; notes the threads it ran in."""

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


def test_beginning_first_token_and_end_wait_for_no_round() -> None:
    async def scene() -> None:
        bot = GatedBot()
        async with runner_of(bot, wake_interval=3600) as runner, asyncio.timeout(10):
            ticket = submit(runner, "a")
            events = ticket.events()
            assert isinstance(await anext(events), Start)
            bot.gate.release()
            assert await anext(events) == Delta("x")
            for _ in range(2):
                bot.gate.release()
            await until(lambda: bot.steps == 3)
            ticket.stop.set()
            rest = [event async for event in events]
            assert rest[0] == Delta("xx")
            assert isinstance(rest[1], Done)

    run(scene)
