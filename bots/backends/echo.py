"""EchoBot: answers with the question, for tests, demos and measuring the server without a model.

The same messages and settings give the same steps. The settings make it as long (`repeat`), slow
(`rate`) or unreliable (`fail_after`) as a test needs.
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

STOP_CHECK_SECONDS = 0.05
"""Longest pause, after which a slow answer checks for a stop. A pause ends at a time, not at an
event."""

# Up to eight visible characters with the white space before them, about a token of a model; white
# space at the end is a piece of its own, so that no character is lost.
_PIECE = re.compile(r"\s*\S{1,8}|\s+\Z")


def pieces(text: str) -> list[str]:
    """Cut a text into "tokens" of at most eight visible characters; joined they give the text."""
    return _PIECE.findall(text)


class EchoSettings(BotSettings):
    """The settings of the echo."""

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
    """Answers with the last user message."""

    Settings = EchoSettings
    max_running = 512
    token_prompts = False

    def __init__(self, config: BotConfig | None = None) -> None:
        super().__init__(config)
        self._timer = PauseTimer()

    def load_model(self) -> None:
        """Report that the bot is ready; there is nothing to load."""
        self.progress("ready", 1.0)

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The last user message."""
        return next(m.content for m in reversed(messages) if m.role == "user")

    def get_input(self, prompt: str) -> Inputs:
        """The prompt, with the number of each piece as its id."""
        return Inputs(prompt, list(range(len(pieces(prompt)))))

    def generate(
        self, inputs: Inputs, settings: EchoSettings, stop: threading.Event
    ) -> Iterator[Step | Pause]:
        """Yield the pieces of the prompt at the rate of the settings.

        Between two pieces it pauses instead of sleeping. The clock's one thread resumes all waiting
        requests, so hundreds need no thread each.
        """
        tokens = pieces(inputs.prompt)
        wanted = len(tokens) * settings.repeat
        total = min(wanted, settings.max_new_tokens)
        started = time.monotonic()
        for n in range(total):
            if settings.fail_after and n >= settings.fail_after:
                raise BotError(f"The echo was told to fail after {n} tokens.")
            # Due times are counted from the start, so that a late step delays no other.
            due = started + n / settings.rate if settings.rate else 0.0
            while not stop.is_set() and due > (now := time.monotonic()):
                yield self._timer.pause(min(due, now + STOP_CHECK_SECONDS))
            if stop.is_set():
                return
            reason: FinishReason = "stop" if wanted == total else "length"
            yield Step(
                text=tokens[n % len(tokens)], finish_reason=reason if n == total - 1 else None
            )

    def close(self) -> None:
        """End the clock's thread."""
        self._timer.close()

    def info(self) -> BotInfo:
        """The class alone: there are no weights and no context limit."""
        return BotInfo(native_class="EchoBot")
