"""A family's prompt and settings on a GGUF file: which are taken, which refused, what answers."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bots.backends.llamacpp.bot import LlamaCppChatBot
from bots.backends.llamacpp.chunks import completion_request
from bots.backends.llamacpp.family import FamilyChatBot
from bots.errors import ConfigError, LoadError
from bots.events import Delta, Done, Message
from bots.registry.registry import choose_bot
from bots.sampling import SamplingSettings
from bots.settings import BotConfig
from tests.bots.backends.llamacpp.gguf_bytes import gguf

HELLO = [Message("user", "Say hello.")]
FORCED = {"logit_bias": [[1, 1000]]}
NOT_STREAMED = {"stream": False}
TAKEN = ("amchat", "baize", "belle", "educhat", "stablelm", "vicuna", "vicuna-instruct",
         "vicuna-v1.1", "yayi")  # fmt: skip
REFUSED = ("chatglm", "chatglm2", "chatglm3", "fastchat-t5", "firefly", "godel", "moss",
           "moss-plugin")  # fmt: skip


@pytest.mark.parametrize("family", TAKEN)
def test_a_family_of_texts_is_taken(family: str) -> None:
    """With its prompt, its defaults where llama.cpp has them, and no dead controls."""
    own, made = choose_bot(family=family), choose_bot("some/model.gguf", family=family)
    assert issubclass(made, LlamaCppChatBot)
    assert made().get_prompt(HELLO, made.Settings()) == own().get_prompt(HELLO, own.Settings())
    assert made().rewrites == own().rewrites
    fields, theirs = made.Settings.model_fields, own.Settings.model_fields
    assert not {"num_beams", "min_new_tokens", "stop_token_ids"} & set(fields)
    for name in set(fields) & set(theirs):
        assert fields[name].default == theirs[name].default, name
    assert set(LlamaCppChatBot.Settings.model_fields) <= set(fields)


@pytest.mark.parametrize("family", REFUSED)
def test_a_family_that_needs_its_own_tokenizer_is_refused(family: str) -> None:
    """In one sentence, before anything is loaded."""
    with pytest.raises(ConfigError, match=f"--type {family[:4]}.* does not take a GGUF file: "):
        choose_bot("some/model.gguf", family=family)


def test_other_types_stay_what_they_are() -> None:
    """`auto` is the file's own template."""
    assert choose_bot("some/model.gguf", family="auto") is LlamaCppChatBot
    assert choose_bot("some/model.gguf", family="llamacpp") is LlamaCppChatBot
    assert choose_bot("some/model.gguf", family="echo").__name__ == "EchoBot"


def test_a_family_needs_no_template(tmp_path: Path) -> None:
    """A file without one is given to llama.cpp, which does not know this one."""
    file = tmp_path / "base.gguf"
    file.write_bytes(gguf({"general.architecture": "no-such-thing"}))
    with pytest.raises(LoadError, match=r"could not load .*no-such-thing"):
        choose_bot(str(file), family="vicuna")(BotConfig(pretrained_path=str(file))).load()


# -- on the built-in model -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bot(builtin_gguf: Path) -> Iterator[LlamaCppChatBot]:
    """The built-in model as AMchat, whose `<|im_end|>` it has."""
    made = choose_bot("builtin:smollm2-gguf", family="amchat")(
        BotConfig(pretrained_path=str(builtin_gguf), max_running=1, threads=1)
    )
    assert isinstance(made, LlamaCppChatBot)
    made.load()
    yield made
    made.close()


@pytest.mark.model
def test_a_familys_prompt_is_answered(bot: LlamaCppChatBot) -> None:
    """The ids are those of its text, and the answer ends where the family ends it."""
    settings = bot.Settings.parse({"temperature": 0, "max_new_tokens": 60})
    prepared = bot.prepare([Message("user", "What is the capital of France?")], settings)
    assert prepared.inputs.prompt.startswith("<s><|im_start|>system\nYou are a professional")
    assert prepared.inputs.token_ids == bot.get_input(prepared.inputs.prompt).token_ids
    events = list(bot.run(prepared, threading.Event()))
    text = "".join(event.text for event in events if isinstance(event, Delta))
    assert "Paris" in text
    assert "<|" not in text
    assert isinstance(events[-1], Done)
    assert events[-1].finish_reason == "stop"


@pytest.mark.model
def test_a_stop_token_that_the_file_does_not_name_ends_the_answer(bot: LlamaCppChatBot) -> None:
    """Its text is shown to `chat()` only; other special tokens have none."""
    ids = bot.get_input("a").token_ids
    assert ids is not None

    def forced(*visible: str) -> str:
        settings = SamplingSettings(temperature=0, max_new_tokens=1)
        request = completion_request(ids, settings, 512, visible)
        return str(bot.client.complete(FORCED | request | NOT_STREAMED)["content"])

    assert forced() == ""
    assert forced("<|im_start|>") == "<|im_start|>"
    assert bot.stop_texts == bot.stop_tokens == ("<|im_end|>",)


@pytest.mark.model
def test_a_file_without_the_familys_stop_token_is_refused(builtin_gguf: Path) -> None:
    """Its answers would never end."""
    made = choose_bot("x.gguf", family="yayi")(
        BotConfig(pretrained_path=str(builtin_gguf), max_running=1, threads=1)
    )
    with pytest.raises(LoadError, match=r"has no token '<\|End\|>'.*--type"):
        made.load()


def test_vicuna_is_greedy_unless_told_to_sample() -> None:
    """As with transformers; llama.cpp has no beams."""
    made = choose_bot("x.gguf", family="vicuna")()
    assert isinstance(made, FamilyChatBot)
    for asked, temperature in (({}, 0), ({"temperature": 0.4, "do_sample": True}, 0.4)):
        own = made.family_settings(made.Settings.parse(asked))
        assert own.model_dump()["temperature"] == temperature
