"""EduChat's history and its reasoning."""

from typing import Any

import pytest

from bots.events import Delta, Message, Step
from tests.bots.families.conftest import WithTokenizer

TURNS = [Message(("user", "assistant")[n % 2], str(n)) for n in range(21)]


def test_the_newest_eight_exchanges_are_kept(with_tokenizer: WithTokenizer) -> None:
    """With the system text; the dropped messages are counted."""
    bot = with_tokenizer("educhat", "llama")
    prepared = bot.prepare([Message("system", "s"), *TURNS], bot.Settings())
    assert prepared.dropped_turns == 4
    assert prepared.inputs.prompt.startswith("<|system|>s</s><|prompter|>4</s>")


def test_more_are_dropped_until_the_answer_fits(with_tokenizer: WithTokenizer) -> None:
    """The context is 2048 tokens."""
    bot = with_tokenizer("educhat", "llama")
    prepared = bot.prepare(TURNS, bot.Settings(max_new_tokens=1800))
    assert prepared.dropped_turns > 4
    assert prepared.prompt_tokens + 1800 <= 2048


@pytest.mark.parametrize(
    ("said", "thoughts", "answer"),
    [
        (["<|inner_thoughts|>", "think", "<eot>", "answer"], "think", "answer"),
        (["<|inner_thoughts|>", "cut sh"], "cut sh", ""),
        (["an", "<eot>", "swer"], "", "answer"),
        (["an", "<|inner_thoughts|>", "swer"], "", "answer"),
        (["<|inner_thoughts|>", "think", "<eot>", "an", "<eot>", "swer"], "think", "answer"),
    ],
)
def test_thoughts_are_reasoning_and_not_part_of_the_answer(
    with_tokenizer: WithTokenizer,
    monkeypatch: Any,
    said: list[str],
    thoughts: str,
    answer: str,
) -> None:
    """Tags are in neither, not even those outside of reasoning."""
    bot = with_tokenizer("educhat", "llama")
    monkeypatch.setattr(bot, "generate", lambda *_: (Step(one) for one in said))
    monkeypatch.setattr(bot, "get_response", lambda step, _: step.text)
    events = [one for one in bot.chat(TURNS[:1]) if isinstance(one, Delta)]
    assert "".join(one.reasoning for one in events) == thoughts
    assert "".join(one.text for one in events) == answer
