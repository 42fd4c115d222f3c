"""What a bot has to write, and what it gets without writing it."""

import threading
from collections.abc import Iterator, Sequence

import pytest

from bots import BotConfig, BotInfo, BotSettings, ChatBot, Inputs, Message, Step, errors
from bots.progress import no_progress


class SmallestBot(ChatBot):
    """Only the required hooks."""

    def load_model(self) -> None:
        self.progress("nothing to load", None)

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return messages[-1].content

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step]:
        yield Step(inputs.prompt)


def test_three_hooks_are_required() -> None:
    assert ChatBot.__abstractmethods__ == {"load_model", "get_prompt", "generate"}


def test_a_bot_without_a_config_has_the_defaults() -> None:
    bot = SmallestBot()
    assert bot.config == BotConfig()
    assert bot.progress is no_progress
    assert bot.Settings is BotSettings


def test_loading_reports_to_the_callback() -> None:
    reports: list[tuple[str, float | None]] = []
    SmallestBot().load(lambda stage, fraction: reports.append((stage, fraction)))
    assert reports == [("nothing to load", None)]
    SmallestBot().load()  # without a callback


def test_the_optional_hooks_have_defaults() -> None:
    bot, settings = SmallestBot(), BotSettings()
    question = [Message("user", "hi")]
    assert bot.encode_messages(question, settings) == bot.get_input("hi") == Inputs("hi")
    assert bot.settle(settings) is settings
    assert bot.extra_settings() == {}
    assert bot.get_response(Step("text"), Inputs("")) == "text"
    assert bot.process_response(" text ") == " text "
    assert not bot.rewrites
    assert (bot.info(), bot.memory()) == (BotInfo(), {})
    bot.check(settings)
    bot.close()


def test_token_ids_are_unsupported_without_the_hook() -> None:
    with pytest.raises(errors.Unsupported, match="no token ids"):
        SmallestBot().input_of_ids([1])


def test_a_bot_may_have_state_for_each_request() -> None:
    class CountingInputs(Inputs):
        """Inputs with a counter."""

        steps = 0

    class CountingBot(SmallestBot):
        def get_input(self, prompt: str) -> Inputs:
            return CountingInputs(prompt)

        def get_response(self, step: Step, inputs: Inputs) -> str:
            assert isinstance(inputs, CountingInputs)
            inputs.steps += 1
            return f"{step.text} {inputs.steps}"

    bot = CountingBot()
    for _ in range(2):
        _start, delta, _done = bot.chat([Message("user", "hi")])
        assert getattr(delta, "text", None) == "hi 1"
