"""What all families have in common: any order of messages, own defaults, tidied answers."""

import itertools
from typing import Any

import pytest

from bots.backends.transformers import TransformersChatBot
from bots.events import Message, Role
from bots.registry.known import MODEL_DICT
from bots.registry.registry import choose_bot

FAMILIES = sorted(
    name
    for name, spec in MODEL_DICT.items()
    if str(spec).startswith("bots.families.") and name != "auto"
)
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


def made(family: str) -> Any:
    return choose_bot(family=family)()


@pytest.mark.parametrize("family", FAMILIES)
def test_messages_may_come_in_any_order(family: str) -> None:
    """Every text is in the prompt, and the same messages give the same prompt."""
    bot = made(family)
    for roles in itertools.product(ROLES, repeat=4):
        messages = [Message(role, f"text{n}") for n, role in enumerate(roles)]
        prompt = bot.get_prompt(messages, bot.Settings())
        assert all(message.content in prompt for message in messages)
        assert prompt == bot.get_prompt(messages, bot.Settings())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_its_key_as_an_attribute(family: str) -> None:
    """Or the part of the key that all its variants share."""
    bot = made(family)
    assert isinstance(bot, TransformersChatBot)
    assert bot.family is not None
    assert family.startswith(bot.family)


@pytest.mark.parametrize(
    ("family", "defaults"),
    [
        ("educhat", (0.7, 0, 0.8, 1.02, 256, 0, 1)),
        ("yayi", (0.3, 0, 1.0, 1.1, 100, 0, 1)),
        ("moss", (0.7, 40, 0.8, 1.02, 2048, 0, 1)),
        ("moss-plugin", (0.7, 40, 0.8, 1.02, 2048, 0, 1)),
        ("chatglm", (0.95, 0, 0.7, 1.0, 2048, 0, 1)),
        ("chatglm2", (0.8, 0, 0.8, 1.0, 8192, 0, 1)),
        ("chatglm3", (0.8, 0, 0.8, 1.0, 8192, 0, 1)),
        ("firefly", (0.35, 0, 0.9, 1.0, 500, 0, 1)),
        ("godel", (1.0, 0, 0.9, 1.0, 128, 8, 1)),
        ("vicuna", (1.0, 60, 0.9, 2.0, 256, 5, 4)),
        ("vicuna-instruct", (0.1, 40, 0.75, 2.0, 256, 1, 4)),
        ("amchat", (0.7, 0, 0.8, 1.005, 32768, 0, 1)),
    ],
)
def test_the_defaults_are_those_of_the_publishers(family: str, defaults: tuple[float, ...]) -> None:
    names = ("temperature", "top_k", "top_p", "repetition_penalty", "max_new_tokens")
    settings = made(family).Settings()
    found = [getattr(settings, name) for name in (*names, "min_new_tokens", "num_beams")]
    assert tuple(found) == defaults


@pytest.mark.parametrize(
    ("family", "text", "tidy"),
    [
        ("chatglm", " 你好,世界!ok, yes? 好:是;吗? ", "你好，世界！ok, yes? 好：是；吗？"),
        ("chatglm", "a,b 在[[训练时间]]之后", "a,b 在2023年之后"),
        ("chatglm", ",好", "，好"),
        ("chatglm2", "\n你好,[[训练时间]]", "你好,2023年"),
        ("chatglm3", "\n你好,[[训练时间]]", "你好,2023年"),
        ("moss", " Hello ", "Hello"),
        ("yayi", "\n你好", "你好"),
    ],
)
def test_an_answer_is_tidied(family: str, text: str, tidy: str) -> None:
    """As by the original `process_response`, or without surrounding white space."""
    assert made(family).process_response(text) == tidy
