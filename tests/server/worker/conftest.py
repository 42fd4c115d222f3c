"""Bots that a test drives step by step, and runners around them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

from bots.chatbot import ChatBot, Prepared
from bots.events import Message, Step
from bots.hooks import Inputs
from bots.settings import BotSettings
from server.worker.metrics import Metrics
from server.worker.runner import Runner
from server.worker.ticket import Call, Ticket
from server.worker.wakeup import INTERVAL_SECONDS


class GatedBot(ChatBot):
    """Yields one token each time the gate is opened, until it is stopped; counts its steps."""

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


def prepared(prompt: str = "hi") -> Prepared:
    """The prepared inputs of a prompt for a `GatedBot`."""
    return GatedBot().prepare([Message("user", prompt)], BotSettings())


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (the condition belongs to threads)
            await asyncio.sleep(0.001)


@asynccontextmanager
async def runner_of(
    bot: ChatBot, limit: float = 60, wake_interval: float = INTERVAL_SECONDS
) -> AsyncIterator[Runner]:
    """A runner with one place to run, two to wait and `limit` seconds for each request."""
    runner = Runner(max_queue=2, timeout=limit, metrics=Metrics(), wake_interval=wake_interval)
    runner.open(bot, 1)
    try:
        yield runner
    finally:
        runner.close()
        await until(lambda: runner.running == 0)


def submit(runner: Runner, name: str, prompt: str = "hi") -> Ticket:
    """Submit a prompt as the request `name`."""
    return runner.submit(prepared(prompt), Call(name))


async def all_of(ticket: Ticket) -> list[object]:
    """All events of a ticket."""
    return [event async for event in ticket.events()]


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test in a new event loop."""

    async def main() -> None:
        await test()

    asyncio.run(main())
