"""Prompts byte for byte; `golden/*.txt` were written from each model's documentation.

The first line of a file is the family and its settings; a line such as `=== 2 turns, system` heads
the prompt of that conversation, which ends before the next heading's line break.
"""

import json
import re
from pathlib import Path

import pytest

from bots.events import Message
from bots.registry.registry import choose_bot

GOLDEN = Path(__file__).parent / "golden"
SYSTEM = Message("system", "You are a pirate.")
TURNS = [
    Message("user", "你好！"),
    Message("assistant", "你好，我是小助手。"),
    Message("user", "What is 1 + 1?"),
    Message("assistant", "It is 2."),
    Message("user", "Why?\nIn one line."),
]
HEADING = re.compile(r"^=== (\d) turns?(, system)?\n", re.MULTILINE)


def prompts(file: Path) -> dict[tuple[int, bool], str]:
    """Number of turns and whether there is a system text → the prompt."""
    _, *parts = HEADING.split(file.read_bytes().decode().partition("\n")[2])
    found = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return {(int(turns), bool(system)): text[:-1] for turns, system, text in found}


@pytest.mark.parametrize("system", [False, True])
@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.txt")), ids=lambda file: file.stem)
def test_prompt(file: Path, turns: int, system: bool) -> None:
    """A bot builds prompts without being loaded."""
    family, _, params = file.read_text("utf-8").partition("\n")[0].partition(" ")
    bot = choose_bot(family=family)()
    settings = bot.Settings.parse(json.loads(params or "{}"))
    messages = [*([SYSTEM] if system else []), *TURNS[: 2 * turns - 1]]
    assert bot.get_prompt(messages, settings) == prompts(file)[turns, system]
