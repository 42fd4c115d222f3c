"""Answers of families from golden checkpoints with random weights."""

import pytest

from bots.events import Delta, Done, Message, Start
from bots.registry.registry import choose_bot
from bots.settings import BotConfig
from tests.golden_data import GOLDEN

TALK = [
    Message("system", "S"),
    Message("user", "你好"),
    Message("assistant", "Hello"),
    Message("user", "x"),
]


@pytest.mark.parametrize(
    ("family", "checkpoint"),
    [
        ("amchat", "internlm2"),
        ("chatglm", "chatglm_int4"),
        ("chatglm2", "chatglm2_int4"),
        ("chatglm3", "chatglm3"),
        ("educhat", "llama"),
        ("firefly", "firefly"),
        ("godel", "t5"),
        ("moss", "moss_int4"),
        ("yayi", "yayi"),
    ],
)
def test_a_family_answers(family: str, checkpoint: str) -> None:
    """With a counted prompt and at most the requested number of tokens."""
    bot = choose_bot(family=family)(BotConfig(str(GOLDEN / checkpoint), dtype="float32"))
    bot.load()
    try:
        settings = bot.Settings.parse({"max_new_tokens": 9, "seed": 1})
        start, *between, done = bot.chat(TALK, settings)
    finally:
        bot.close()
    assert isinstance(start, Start)
    assert start.prompt_tokens
    assert isinstance(done, Done)
    ids = [one for event in between if isinstance(event, Delta) for one in event.token_ids]
    assert 0 < len(ids) == done.usage.completion_tokens <= 9
