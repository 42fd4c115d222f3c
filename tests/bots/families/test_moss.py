"""MOSS's turn with plugins, with the golden tokenizer and a script in place of a model."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bots.backends.transformers import TransformersChatBot
from bots.errors import InvalidRequest
from bots.events import Delta, Done, Message, Step
from bots.families import moss
from tests.bots.families.conftest import WithTokenizer

THOUGHTS = '<|Inner Thoughts|>: I compute.<eot>\n<|Commands|>: Calculate("1+1")<eoc>'
ASK = [Message("user", "What is 1+1?")]


class Script:
    """Yields one text per run, token by token up to a stop token; records its arguments."""

    def __init__(self, tokenizer: Any, *texts: str) -> None:
        self._tokenizer, self._texts = tokenizer, list(texts)
        self.prompts: list[str] = []
        self.settings: list[Any] = []

    def __call__(self, bot: Any, inputs: Any, settings: Any, stop: Any) -> Iterator[Step]:
        self.prompts.append(self._tokenizer.decode(inputs.token_ids))
        self.settings.append(settings)
        text = self._texts.pop(0)
        for n, one in enumerate(self._tokenizer.encode(text, add_special_tokens=False)):
            if one in settings.stop_token_ids:
                yield Step(finish_reason="stop")
                return
            last = n + 1 == settings.max_new_tokens
            yield Step(token_ids=(one,), finish_reason="length" if last else None)
            if last or stop.is_set():
                return


@pytest.fixture
def bot(with_tokenizer: WithTokenizer, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(moss, "run_tool", lambda name, argument, stop: f"[{name} {argument}]")
    return with_tokenizer("moss-plugin", "moss")


def run(
    bot: Any, monkeypatch: pytest.MonkeyPatch, *texts: str, **settings: Any
) -> tuple[str, str, Done, Script]:
    script = Script(bot.tokenizer, *texts)
    monkeypatch.setattr(TransformersChatBot, "generate", lambda *args: script(*args))
    events = list(bot.chat(ASK, bot.Settings.parse(settings)))
    deltas = [one for one in events if isinstance(one, Delta)]
    done = events[-1]
    assert isinstance(done, Done)
    return (
        "".join(one.reasoning for one in deltas),
        "".join(one.text for one in deltas),
        done,
        script,
    )


def test_a_turn_is_two_runs(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thoughts, commands and results are reasoning and part of the second prompt."""
    thoughts, answer, done, script = run(bot, monkeypatch, THOUGHTS, " It is 2.<eom>")
    result = 'Calculate("1+1") => [Calculate 1+1]'
    assert answer == "It is 2."
    assert thoughts.startswith("<|Inner Thoughts|>: I compute.\n<|Commands|>:")
    assert thoughts.endswith(f"<|Results|>:\n{result}\n")
    assert done.finish_reason == "stop"
    seen = script.prompts[1].removeprefix(script.prompts[0])
    assert seen.replace("\n", "") == f"{THOUGHTS}<|Results|>:{result}<eor><|MOSS|>:".replace(
        "\n", ""
    )


def test_all_tokens_count(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of both runs, without those of the results."""
    _, _, done, script = run(bot, monkeypatch, THOUGHTS, " It is 2.<eom>")
    encode = bot.tokenizer.encode
    wrote = len(encode(THOUGHTS, add_special_tokens=False)) + len(
        encode(" It is 2.<eom>", add_special_tokens=False)
    )
    assert done.usage.completion_tokens == wrote - 2, "the tokens that end a run are no answer"
    assert done.usage.prompt_tokens == len(encode(script.prompts[0], add_special_tokens=False))
    first, second = script.settings
    thought = len(encode(THOUGHTS, add_special_tokens=False)) - 1
    assert first.max_new_tokens - thought >= second.max_new_tokens


def test_the_limit_is_for_both_runs(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may end the thoughts, or the answer."""
    _, answer, done, script = run(bot, monkeypatch, THOUGHTS, max_new_tokens=5)
    assert (answer, done.finish_reason, done.usage.completion_tokens) == ("", "length", 5)
    assert len(script.prompts) == 1
    size = len(bot.tokenizer.encode(THOUGHTS, add_special_tokens=False)) - 1
    _, _, done, _ = run(bot, monkeypatch, THOUGHTS, " It is 2.<eom>", max_new_tokens=size + 2)
    assert (done.finish_reason, done.usage.completion_tokens) == ("length", size + 2)


def test_the_thoughts_may_be_short(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minimum length and `ignore_eos` apply to the answer only."""
    asked = {"min_new_tokens": 50, "ignore_eos": True}
    _, _, _, script = run(bot, monkeypatch, THOUGHTS, " It is 2.", **asked)
    found = [(one.min_new_tokens, one.ignore_eos) for one in script.settings]
    assert found == [(0, False), (50, True)]


def test_results_that_fill_the_context_end_it(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model does not run beyond its context."""
    monkeypatch.setattr(moss, "run_tool", lambda *_: "1" * 500)
    prompt = len(bot.prepare(ASK, bot.Settings()).inputs.token_ids)
    info = SimpleNamespace(context_length=prompt + 100, separate_answer=False)
    monkeypatch.setattr(bot, "info", lambda: info)
    thoughts, answer, done, script = run(bot, monkeypatch, THOUGHTS, " It is 2.<eom>")
    assert thoughts.endswith("1\n")
    assert (answer, done.finish_reason, len(script.prompts)) == ("", "length", 1)


def test_an_answer_without_commands(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is told that there are no results; or it answers at once, and is let to."""
    none = "<|Inner Thoughts|>: None<eot>\n<|Commands|>: None<eoc>"
    _, answer, _, script = run(bot, monkeypatch, none, " Hi.<eom>")
    assert "<|Results|>:\nNone" in script.prompts[1]
    assert answer == "Hi."
    thoughts, answer, _, script = run(bot, monkeypatch, "Well. <|MOSS|>: Hi", " Ho.<eom>")
    assert (thoughts, answer) == ("Well. ", "Ho.")
    assert script.prompts[1].endswith("Well. <|MOSS|>:")


def test_stop_texts_and_a_stop_end_it(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop text is looked for in the answer only; a stop between the runs prevents the second."""
    _, answer, done, _ = run(bot, monkeypatch, THOUGHTS, " I say 2.<eom>", stop=["say"])
    assert (answer, done.finish_reason) == ("I", "stop")
    script = Script(bot.tokenizer, THOUGHTS)
    monkeypatch.setattr(TransformersChatBot, "generate", lambda *args: script(*args))
    stop = threading.Event()
    for event in bot.chat(ASK, bot.Settings(), stop):
        if isinstance(event, Delta):
            stop.set()
    assert isinstance(event, Done)
    assert event.finish_reason == "cancelled"
    assert len(script.prompts) == 1


def test_without_plugins_a_turn_is_one_run(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a plugin model."""
    off = dict.fromkeys(["inner_thoughts", "calculator", "equation_solver"], False)
    thoughts, answer, _, script = run(bot, monkeypatch, " Hi.<eom>", **off)
    assert (thoughts, answer, len(script.prompts)) == ("", "Hi.", 1)


def test_beams_and_plugins_exclude_each_other(bot: Any) -> None:
    """A beam may change commands that have been run."""
    with pytest.raises(InvalidRequest, match="num_beams"):
        bot.prepare(ASK, bot.Settings(num_beams=2))
