"""EchoBot: answers with the question. Needs no weights; for tests, demos and measuring the wire.

Deterministic: the same messages and settings give the same steps. `repeat`, `rate`, `fail_after`
make it behave like a model that is slow, or that breaks.
"""

import re
import threading
import time
from collections.abc import Iterator, Sequence

from bots.chatbot import ChatBot
from bots.errors import BotError
from bots.events import FinishReason, Message, Step
from bots.hooks import BotInfo, Inputs
from bots.settings import BotConfig, BotSettings, control
from bots.streaming.pause import Pause, PauseTimer

LOOK = 0.05
"""Seconds after which a waiting echo looks whether it is to stop."""

_PIECE = re.compile(r"\s*\S{1,8}|\s+\Z")


def pieces(text: str) -> list[str]:
    """Cut a text into "tokens" of at most eight visible characters; joined they give the text."""
    return _PIECE.findall(text)


class EchoSettings(BotSettings):
    """What can be set for an echo."""

    repeat: int = control(1, "number", "Repeat", "How often the text is said.", ge=1, le=10_000)
    rate: float = control(
        0.0,
        "slider",
        "Tokens per second",
        "Pace of the answer; 0 is as fast as possible.",
        ge=0,
        le=1000,
        step=1,
    )
    fail_after: int = control(
        0, "hidden", "Fail after", "Break after this many tokens; 0 is never.", ge=0
    )


class EchoBot(ChatBot[EchoSettings]):
    """Says the last user message again."""

    Settings = EchoSettings
    max_running = 512
    token_prompts = False

    def __init__(self, config: BotConfig | None = None) -> None:
        super().__init__(config)
        self._timer = PauseTimer()

    def load_model(self) -> None:
        """Nothing to load."""
        self.progress("ready", 1.0)

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The last user message."""
        return next(m.content for m in reversed(messages) if m.role == "user")

    def get_input(self, prompt: str) -> Inputs:
        """One id a piece: its number."""
        return Inputs(prompt, list(range(len(pieces(prompt)))))

    def generate(
        self, inputs: Inputs, settings: EchoSettings, stop: threading.Event
    ) -> Iterator[Step | Pause]:
        """The pieces of the prompt, at the pace that was asked for."""
        said = pieces(inputs.prompt)
        wanted = len(said) * settings.repeat
        total = min(wanted, settings.max_new_tokens)
        started = time.monotonic()
        for n in range(total):
            if settings.fail_after and n >= settings.fail_after:
                raise BotError(f"The echo was told to fail after {n} tokens.")
            # Due times, not pauses: one late step does not make the whole answer late.
            due = started + n / settings.rate if settings.rate else 0.0
            while not stop.is_set() and due > (now := time.monotonic()):
                yield self._timer.pause(min(due, now + LOOK))
            if stop.is_set():
                return
            reason: FinishReason = "stop" if wanted == total else "length"
            yield Step(text=said[n % len(said)], finish_reason=reason if n == total - 1 else None)

    def close(self) -> None:
        """End the clock's thread."""
        self._timer.close()

    def info(self) -> BotInfo:
        """An echo has no weights and no limit."""
        return BotInfo(native_class="EchoBot")
