"""TransformersChatBot's answers by beams, in tags and by encoder-decoder models."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from bots.backends.transformers import TransformersChatBot, TransformersSettings
from bots.engine.beam import BeamDecoder
from bots.engine.scheduler import Scheduler
from bots.errors import ContextLengthExceeded, InvalidRequest, OutOfMemory, Unsupported
from bots.events import Delta, Done, Event, Message, Replace, Step
from bots.families.auto import AutoBot
from bots.hooks import Inputs
from bots.settings import BotConfig, BotSettings
from tests.golden_data import GOLDEN

BEAMS = {"temperature": 0, "max_new_tokens": 12, "num_beams": 3, "ignore_eos": True}


class TaggedBot(AutoBot):
    """Reasons between a special token and one that is an ordinary text."""

    reasoning_tags = ("<|user|>", "fox")


@pytest.fixture(scope="module")
def bot(tiny_folder: Path) -> TaggedBot:
    bot = TaggedBot(BotConfig(str(tiny_folder)))
    bot.load()
    return bot


def ask(text: str) -> list[Message]:
    return [Message("user", text)]


def applied(events: Sequence[Event]) -> tuple[str, str, tuple[int, ...]]:
    """Text, reasoning and ids as a reader has them after all events."""
    text = reasoning = ""
    ids: tuple[int, ...] = ()
    for event in events:
        if isinstance(event, Delta):
            text, reasoning = text + event.text, reasoning + event.reasoning
            ids += event.token_ids
        elif isinstance(event, Replace):
            text = event.text
            reasoning = reasoning if event.reasoning is None else event.reasoning
            ids = ids if event.token_ids is None else event.token_ids
    return text, reasoning, ids


def test_beams_stream_and_end_with_the_best(bot: TaggedBot) -> None:
    prepared = bot.prepare(ask("the fox"), bot.Settings.parse(BEAMS))
    events = list(bot.run(prepared))
    prompt = prepared.inputs.token_ids or []
    steps = list(BeamDecoder(bot.model).decode(prompt, prepared.settings, never()))
    best: tuple[int, ...] = ()
    for step in steps:
        best = step.token_ids if step.whole else best + step.token_ids
    text, _, ids = applied(events)
    assert ids == best
    assert text.rstrip("\ufffd") == bot.tokenizer.decode(best, skip_special_tokens=True).rstrip(
        "\ufffd"
    )
    assert isinstance(events[-1], Done)
    assert (events[-1].finish_reason, events[-1].usage.completion_tokens) == ("length", 12)


@pytest.mark.parametrize(("stop", "met"), [("o", True), ("e", False)])
def test_a_stop_text_ends_one_hypothesis_not_the_search(
    bot: TaggedBot, stop: str, met: bool
) -> None:
    """The answer is that of transformers' own search with this text, cut before it."""
    prepared = bot.prepare(
        ask("the fox"), bot.Settings.parse({**BEAMS, "num_beams": 4, "stop": [stop]})
    )
    prompt = prepared.inputs.token_ids or []
    ids = bot.model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        num_beams=4,
        max_new_tokens=12,
        eos_token_id=None,
        pad_token_id=0,
        stop_strings=[stop],
        tokenizer=bot.tokenizer,
    )[0, len(prompt) :]
    text, found, _ = bot.tokenizer.decode(ids, skip_special_tokens=True).partition(stop)
    events = list(bot.run(prepared))
    assert bool(found) == met
    assert applied(events)[0].rstrip("\ufffd") == text.rstrip("\ufffd")
    assert isinstance(events[-1], Done)
    assert events[-1].finish_reason == ("stop" if met else "length")


def never() -> threading.Event:
    """A stop that does not come."""
    return threading.Event()


@pytest.mark.parametrize("name", ["logprobs", "prompt_logprobs"])
def test_beams_have_no_log_probabilities(bot: TaggedBot, name: str) -> None:
    with pytest.raises(InvalidRequest, match="num_beams") as caught:
        bot.prepare(ask("x"), bot.Settings.parse(BEAMS | {name: 1}))
    assert caught.value.param == name


def test_a_full_device_fails_one_request_of_beams_only(
    bot: TaggedBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("x")

    settings = bot.Settings.parse(BEAMS)
    with monkeypatch.context() as patched:
        patched.setattr(type(bot.model), "forward", full)
        with pytest.raises(OutOfMemory, match="not enough memory"):
            list(bot.chat(ask("x"), settings))
    assert list(bot.chat(ask("x"), settings))


def test_stop_ends_beams(bot: TaggedBot) -> None:
    stop = threading.Event()
    settings = bot.Settings.parse(BEAMS | {"max_new_tokens": 1000})
    for event in bot.chat(ask("x"), settings, stop):
        if isinstance(event, Delta):
            stop.set()
    assert isinstance(event, Done)
    assert event.finish_reason == "cancelled"
    assert event.usage.completion_tokens < 100


def test_beams_and_others_go_on_beside_each_other(bot: TaggedBot) -> None:
    """Neither waits for the end of the other, and the answers are those of each alone."""
    drawn = bot.Settings.parse(BEAMS | {"temperature": 0.8, "seed": 3})
    plain = bot.Settings.parse(BEAMS | {"num_beams": 1, "max_new_tokens": 1500})
    alone = applied(list(bot.chat(ask("the fox"), drawn)))
    other = bot.chat(ask("jumps"), plain)
    while not isinstance(next(other), Delta):
        pass
    found: dict[int, Any] = {}

    def search(at: int) -> None:
        found[at] = applied(list(bot.chat(ask("the fox"), drawn)))

    threads = [threading.Thread(target=search, args=(at,)) for at in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bot.decoders is not None
    assert isinstance(bot.decoders.single, Scheduler)
    assert bot.decoders.single.active == 1
    assert found == {0: alone, 1: alone}
    other.close()  # type: ignore[attr-defined]


def test_a_stop_is_seen_while_another_s_beams_go_on(bot: TaggedBot) -> None:
    first = bot.chat(ask("x"), bot.Settings.parse(BEAMS))
    while not isinstance(next(first), Delta):
        pass
    stop = threading.Event()
    stop.set()
    *_, end = bot.chat(ask("x"), bot.Settings.parse(BEAMS), stop)
    assert isinstance(end, Done)
    assert end.finish_reason == "cancelled"
    first.close()  # type: ignore[attr-defined]


def test_a_whole_step_is_decoded_from_its_beginning(bot: TaggedBot) -> None:
    inputs = bot.get_input("x")
    ids = tuple(bot.tokenizer.encode("a🙂"))
    assert bot.get_response(Step(token_ids=ids[:-1]), inputs) == "a"
    assert bot.get_response(Step(token_ids=ids[:-1], whole=True), inputs) == "a"
    assert bot.get_response(Step(token_ids=ids[-1:]), inputs) == "🙂"


def test_tags_that_are_special_tokens_still_part_reasoning_from_answer(
    bot: TaggedBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = bot.tokenizer.encode("<|user|>why</s> so fox yes</s>")

    def said(inputs: Inputs, settings: TransformersSettings, stop: object) -> Iterator[Step]:
        for one in ids:
            yield Step(token_ids=(one,))

    monkeypatch.setattr(bot, "generate", said)
    text, reasoning, _ = applied(list(bot.chat(ask("x"))))
    assert (reasoning, text) == ("why so ", " yes")


class T5Bot(TransformersChatBot):
    """Reads the last message, as GODEL would."""

    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return messages[-1].content


@pytest.fixture(scope="module")
def t5() -> T5Bot:
    bot = T5Bot(BotConfig(str(GOLDEN / "t5")))
    bot.load()
    return bot


@pytest.mark.parametrize("beams", [1, 3])
def test_an_encoder_decoder_answers(t5: T5Bot, beams: int) -> None:
    settings = t5.Settings.parse(BEAMS | {"num_beams": beams})
    prepared = t5.prepare(ask("hello there"), settings)
    events = list(t5.run(prepared))
    _, _, ids = applied(events)
    assert len(ids) == 12
    done = events[-1]
    assert isinstance(done, Done)
    assert done.usage.prompt_tokens == len(t5.tokenizer("hello there").input_ids)
    assert done.usage.completion_tokens == 12


def test_prompt_and_answer_of_an_encoder_decoder_have_a_context_each(t5: T5Bot) -> None:
    long = "there " * 100
    prepared = t5.prepare(ask(long), t5.Settings(max_new_tokens=1000))
    assert prepared.settings.max_new_tokens == 512
    assert t5.info().context_length == 512
    with pytest.raises(ContextLengthExceeded):
        t5.prepare(ask(long * 10), t5.Settings())


def test_an_encoder_decoder_does_not_score_its_prompt(t5: T5Bot) -> None:
    with pytest.raises(Unsupported) as caught:
        t5.prepare_text("hello", t5.Settings(prompt_logprobs=1))
    assert caught.value.param == "prompt_logprobs"


def test_a_model_that_cannot_be_batched_says_why(t5: T5Bot) -> None:
    info = t5.info()
    assert info.engine == "sequential"
    assert info.engine_reason == "It is an encoder-decoder model."
    assert t5.max_running == 1
