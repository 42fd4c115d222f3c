"""An endpoint, and a bot in front of it."""

from collections.abc import Callable, Iterator

import pytest

from bots.backends.openai.bot import OpenAIChatBot
from bots.settings import BotConfig
from tests.bots.backends.openai.upstream import Upstream, text


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """An endpoint, and no key in the environment."""
    monkeypatch.delenv("CHATZOO_UPSTREAM_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    made = Upstream()
    made.says(text("Hel"), text("lo"), text("", "stop"))
    yield made
    made.close()


@pytest.fixture
def make() -> Iterator[Callable[[str], OpenAIChatBot]]:
    """Makes loaded bots and closes them."""
    made: list[OpenAIChatBot] = []

    def load(path: str) -> OpenAIChatBot:
        bot = OpenAIChatBot(BotConfig(pretrained_path=path))
        made.append(bot)
        bot.load()
        return bot

    yield load
    for bot in made:
        bot.close()


@pytest.fixture
def bot(upstream: Upstream, make: Callable[[str], OpenAIChatBot]) -> OpenAIChatBot:
    """A bot in front of the endpoint."""
    return make(upstream.url)
