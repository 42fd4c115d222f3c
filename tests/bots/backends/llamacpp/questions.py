"""Settings, questions and readers of answers that the tests of llama.cpp's bot share."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bots.backends.llamacpp.bot import LlamaCppChatBot
from bots.events import Delta, Event, Message
from bots.settings import BotConfig

Settings = LlamaCppChatBot.Settings
HELLO = [Message("user", "Say hello.")]
GREEDY = Settings(temperature=0, max_new_tokens=24)
LONG = "The quick brown fox jumps over the lazy dog. " * 150


def load(path: Path, **config: Any) -> LlamaCppChatBot:
    """A loaded bot."""
    bot = LlamaCppChatBot(BotConfig(pretrained_path=str(path), **config))
    bot.load()
    return bot


def answer(events: Iterator[Event]) -> str:
    """The whole text."""
    return "".join(event.text for event in events if isinstance(event, Delta))


def ids_of(events: Iterator[Event]) -> list[int]:
    """All token ids."""
    return [one for event in events if isinstance(event, Delta) for one in event.token_ids]


def ask(bot: LlamaCppChatBot, text: str = "Tell me about the sea.", **params: Any) -> str:
    """The answer to one question."""
    return answer(bot.chat([Message("user", text)], Settings(**{"max_new_tokens": 12, **params})))


def soon_idle(bot: LlamaCppChatBot, seconds: float = 1) -> bool:
    """Whether all slots are free in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if bot.idle_slots() == bot.max_running:
            return True
    return False
