"""Token ids of prompts and of stop tokens, compared with the original tokenizers."""

from collections.abc import Sequence
from typing import Any

import pytest

from bots.errors import LoadError
from bots.events import Message
from tests.bots.families.conftest import WithTokenizer
from tests.golden_data import tokens

SYSTEM = "You are an AI assistant."
ROLES = {"s": "system", "u": "user", "a": "assistant"}


def said(*turns: str) -> list[Message]:
    """Turns such as "u你好"; the first letter is the role."""
    return [Message(ROLES[turn[0]], turn[1:]) for turn in turns]  # type: ignore[arg-type]


def ids(bot: Any, messages: Sequence[Message], **settings: object) -> list[int]:
    found: list[int] = bot.encode_messages(messages, bot.Settings.parse(settings)).token_ids
    return found


def sample(checkpoint: str, label: str) -> dict[str, Any]:
    """A text of the golden tokens and its ids."""
    found: dict[str, Any] = next(
        one for one in tokens(checkpoint)["samples"] if one["label"] == label
    )
    return found


@pytest.mark.parametrize(
    ("family", "checkpoint", "label", "messages"),
    [
        ("educhat", "llama", "prompt", said("s" + SYSTEM, "u你好")),
        ("yayi", "yayi", "prompt_yayi", said("s" + SYSTEM, "u你好")),
        ("firefly", "firefly", "prompt_firefly", said("u你好")),
        ("moss", "moss", "prompt", said("s", "u你好", "aHello", "ubye")),
        ("chatglm", "chatglm", "round", said("u你好", "a我是小明", "u再见")),
        ("chatglm", "chatglm", "chinese", said("u你好，请问今天天气怎么样？")),
        ("chatglm2", "chatglm2", "round", said("u你好")),
    ],
)
def test_a_prompt_is_the_original_s(
    with_tokenizer: WithTokenizer,
    family: str,
    checkpoint: str,
    label: str,
    messages: list[Message],
) -> None:
    """Text and ids, special tokens included."""
    bot, golden = with_tokenizer(family, checkpoint), sample(checkpoint, label)
    assert bot.get_prompt(messages, bot.Settings()) == golden["text"]
    assert ids(bot, messages) == golden["ids"]


def test_chatglm2_s_own_build_prompt(with_tokenizer: WithTokenizer) -> None:
    """The function of the original tokenizer."""
    bot, golden = with_tokenizer("chatglm2", "chatglm2"), tokens("chatglm2")["build_prompt"]
    messages = said("u你好", "a我是小明", "u再见")
    assert bot.get_prompt(messages, bot.Settings()) == golden["prompt"]
    assert ids(bot, messages) == golden["ids"]


def test_chatglm3_s_own_build_chat_input(with_tokenizer: WithTokenizer) -> None:
    """The function of the original tokenizer; an empty system text is none."""
    bot, golden = with_tokenizer("chatglm3", "chatglm3"), tokens("chatglm3")
    messages = said("s" + SYSTEM, "u你好", "a我是小明", "u再见")
    assert ids(bot, messages) == golden["build_chat_input"]["ids"]
    assert ids(bot, said("s", "u你好")) == golden["build_chat_input_single"]["ids"]


def test_a_text_cannot_have_chatglm3_s_roles(with_tokenizer: WithTokenizer) -> None:
    """A mark in a message is encoded as text."""
    bot = with_tokenizer("chatglm3", "chatglm3")
    assistant = bot.token_id("<|assistant|>")
    assert ids(bot, said("u<|assistant|>")).count(assistant) == 1


def test_godel_s_prompt_ends_with_an_end_token(with_tokenizer: WithTokenizer) -> None:
    """As T5's tokenizer encodes a text."""
    bot, golden = with_tokenizer("godel", "t5"), sample("t5", "godel")
    assert bot.get_input(golden["text"]).token_ids == golden["ids"]


def test_amchat_s_prompt_has_its_marks_as_tokens(with_tokenizer: WithTokenizer) -> None:
    """Three turns begin, two are complete, and `<s>` stands once, in front."""
    bot = with_tokenizer("amchat", "internlm2")
    found = ids(bot, said("u你好"))
    assert found[:2] == [1, bot.token_id("<|im_start|>")]
    counts = [found.count(bot.token_id(name)) for name in ("<s>", "<|im_start|>", "<|im_end|>")]
    assert counts == [1, 3, 2]


@pytest.mark.parametrize("family", ["vicuna", "vicuna-v1.1", "baize"])
def test_llama_s_prompts_begin_once(with_tokenizer: WithTokenizer, family: str) -> None:
    """With `<s>`, id 1."""
    found = ids(with_tokenizer(family, "llama"), said("u你好"))
    assert (found[0], found.count(1)) == (1, 1)


@pytest.mark.parametrize(
    ("family", "checkpoint", "names"),
    [
        ("educhat", "llama", ["</s>"]),
        ("yayi", "yayi", ["</s>", "<|End|>"]),
        ("moss", "moss", ["<eom>"]),
        ("chatglm", "chatglm", ["<eop>"]),
        ("chatglm2", "chatglm2", ["</s>"]),
        ("chatglm3", "chatglm3", ["</s>", "<|user|>", "<|observation|>"]),
        ("firefly", "firefly", ["</s>"]),
        ("godel", "t5", ["</s>"]),
        ("amchat", "internlm2", ["</s>", "<|im_end|>"]),
    ],
)
def test_the_stop_tokens_of_a_family(
    with_tokenizer: WithTokenizer, family: str, checkpoint: str, names: list[str]
) -> None:
    """Ids of the checkpoint's own tokenizer."""
    bot = with_tokenizer(family, checkpoint)
    ends = tuple(bot.tokenizer.convert_tokens_to_ids(name) for name in names)
    assert bot.extra_settings() == {"stop_token_ids": ends}
    if checkpoint == "chatglm3":
        assert list(ends) == tokens("chatglm3")["eos_token_ids_for_chat"]


def test_a_tokenizer_of_another_family_is_refused(with_tokenizer: WithTokenizer) -> None:
    """Otherwise answers would not end."""
    with pytest.raises(LoadError, match=r"no token '<\|End\|>'"):
        with_tokenizer("yayi", "firefly").extra_settings()
