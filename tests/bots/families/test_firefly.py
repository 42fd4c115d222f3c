"""Firefly's limit on the history."""

from bots.events import Message
from bots.families.firefly import HISTORY_TOKENS
from tests.bots.families.conftest import WithTokenizer


def test_the_history_is_cut_and_the_question_is_not(with_tokenizer: WithTokenizer) -> None:
    """By tokens; the prompt shown to users is the decoded one."""
    bot = with_tokenizer("firefly", "firefly")
    long = [Message("user", "a b " * 900), Message("assistant", "yes")]
    question = Message("user", "c d " * 900)
    asked = bot.encode_messages([question], bot.Settings()).token_ids
    inputs = bot.encode_messages([*long, question], bot.Settings())
    assert inputs.token_ids[-len(asked) :] == asked
    assert len(inputs.token_ids) == len(asked) + HISTORY_TOKENS
    assert inputs.prompt == bot.tokenizer.decode(inputs.token_ids)


def test_a_short_history_is_whole(with_tokenizer: WithTokenizer) -> None:
    """Encoded in parts, it has the same ids as in one piece."""
    bot = with_tokenizer("firefly", "firefly")
    messages = [Message("user", "你好"), Message("assistant", "yes"), Message("user", "bye")]
    inputs = bot.encode_messages(messages, bot.Settings())
    assert inputs.prompt == bot.get_prompt(messages, bot.Settings())
    assert inputs.token_ids == bot.get_input(inputs.prompt).token_ids
