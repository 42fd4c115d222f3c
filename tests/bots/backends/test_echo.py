"""The echo bot: its tokens, its pace, and its failures on request."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.backends.echo import EchoBot, EchoSettings, pieces
from bots.errors import BotError, InvalidRequest
from bots.events import Message, Step
from bots.streaming.pause import Pause

TURNS = [Message("user", "one"), Message("assistant", "two"), Message("user", "three 世界 🙂")]


def steps(settings: EchoSettings, text: str = "one two three") -> list[Step]:
    """All steps of an answer, waiting in this thread at each pause."""
    bot, found = EchoBot(), []
    try:
        for item in bot.generate(bot.get_input(text), settings, threading.Event()):
            if isinstance(item, Pause):
                item.wait()
            else:
                found.append(item)
    finally:
        bot.close()
    return found


@given(st.text())
def test_the_pieces_of_a_text_give_the_text(text: str) -> None:
    """None has more than eight visible characters."""
    assert "".join(pieces(text)) == text
    assert all(len(piece.strip()) <= 8 for piece in pieces(text))


def test_the_prompt_is_the_last_user_message() -> None:
    """It has one id for each piece."""
    bot = EchoBot()
    assert bot.get_prompt(TURNS, EchoSettings()) == "three 世界 🙂"
    assert bot.get_input("three 世界 🙂").token_ids == [0, 1, 2]


def test_an_answer_ends_with_its_reason() -> None:
    """`stop` after all pieces, `length` at the limit, and only in the last step."""
    whole = steps(EchoSettings(repeat=2))
    assert "".join(step.text for step in whole) == "one two threeone two three"
    assert [step.finish_reason for step in whole] == [None] * 5 + ["stop"]
    cut = steps(EchoSettings(max_new_tokens=2))
    assert [(step.text, step.finish_reason) for step in cut] == [("one", None), (" two", "length")]


def test_a_rate_spreads_the_tokens() -> None:
    """The third token is due two intervals after the first."""
    began = time.monotonic()
    assert len(steps(EchoSettings(rate=50))) == 3
    assert time.monotonic() - began >= 2 / 50


def test_a_stop_ends_a_slow_answer() -> None:
    """The bot pauses for a token that is due in a second, and gives none after the stop."""
    bot, stop = EchoBot(), threading.Event()
    answer = bot.generate(bot.get_input("one two"), EchoSettings(rate=1), stop)
    assert isinstance(next(answer), Step)
    pause = next(answer)
    assert isinstance(pause, Pause)
    stop.set()
    bot.close()  # resumes what waits
    pause.wait()
    assert list(answer) == []


def test_a_failure_on_request() -> None:
    """After the given number of tokens."""
    with pytest.raises(BotError, match="fail after 2 tokens"):
        steps(EchoSettings(fail_after=2))
    assert len(steps(EchoSettings(fail_after=4))) == 3


def test_wrong_settings_are_refused() -> None:
    """As of any bot."""
    with pytest.raises(InvalidRequest, match="repeat"):
        EchoSettings.parse({"repeat": 0})


def test_info_and_loading() -> None:
    """There are no weights; loading reports that it is done."""
    bot, seen = EchoBot(), []
    bot.load(lambda stage, fraction: seen.append((stage, fraction)))
    assert seen[-1] == ("ready", 1.0)
    assert bot.info().native_class == "EchoBot"
    assert bot.info().context_length is None
