"""ChatBot's preparing and running, which every bot and the server rely on."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bots.backends.echo import EchoBot, EchoSettings, pieces
from bots.chatbot import ChatBot
from bots.errors import ContextLengthExceeded, InvalidRequest, Unsupported
from bots.events import Delta, Done, Event, Message, Replace, Start, Step, Usage
from bots.hooks import BotInfo, Inputs
from bots.settings import BotSettings, control
from bots.streaming.pause import Pause


class FedBot(ChatBot):
    """Yields given steps. Token ids are code points; the context has 20 of them."""

    steps: Sequence[Step] = ()
    process: Callable[[str], str] | None = None
    seen: list[BotSettings]

    class Settings(BotSettings):
        """One setting more."""

        mood: str = control("calm", "text", "Mood", "How it feels.")
        mode: int = control(0, "hidden", "Mode", "Fixed by the model.")

    def load_model(self) -> None:
        self.seen = []
        self.closed = False

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return "|".join(message.content for message in messages)

    def get_input(self, prompt: str) -> Inputs:
        return Inputs(prompt, [ord(character) for character in prompt])

    def extra_settings(self) -> dict[str, object]:
        return {"mode": 7}

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step]:
        self.seen.append(settings)
        try:
            yield from self.steps
        finally:
            self.closed = True

    def info(self) -> BotInfo:
        return BotInfo(context_length=20)


def ask(*contents: str) -> list[Message]:
    """Messages of user and assistant in turn."""
    roles = ["user", "assistant"] * len(contents)
    return [Message(role, text) for role, text in zip(roles, contents, strict=False)]  # type: ignore[arg-type]


def loaded(bot: ChatBot) -> ChatBot:
    bot.load()
    return bot


def fed(*texts: str) -> FedBot:
    bot = FedBot()
    bot.steps = [Step(text=text) for text in texts]
    bot.load()
    return bot


def text_of(events: Iterator[Event] | list[Event]) -> str:
    text = ""
    for event in events:
        if isinstance(event, Replace):
            text = event.text
        elif isinstance(event, Delta):
            text += event.text
    return text


def test_a_stream_begins_with_start_and_ends_with_done() -> None:
    events = list(fed("a", "b").chat(ask("hi")))
    assert events == [
        Start(prompt_tokens=2),
        Delta(text="a"),
        Delta(text="b"),
        Done("stop", Usage(2, 2)),
    ]


def ids(text: str, *, whole: bool = False) -> Step:
    """A step whose token ids are code points."""
    return Step(token_ids=tuple(map(ord, text)), text=text, whole=whole)


def test_a_whole_step_replaces_text_ids_and_count() -> None:
    bot = fed()
    bot.steps = [ids("abc"), ids("abd", whole=True), ids("abde", whole=True), ids("f")]
    assert list(bot.chat(ask("hi")))[1:] == [
        Delta(text="abc", token_ids=(97, 98, 99)),
        Replace(text="abd", token_ids=(97, 98, 100)),
        Delta(text="e", token_ids=(101,)),
        Delta(text="f", token_ids=(102,)),
        Done("stop", Usage(2, 5)),
    ]


def test_a_whole_step_may_be_shorter_or_empty() -> None:
    bot = fed()
    bot.steps = [ids("abc"), ids("", whole=True)]
    events = list(bot.chat(ask("hi")))
    assert text_of(events) == ""
    assert events[-1] == Done("stop", Usage(2, 0))


def test_whole_steps_of_a_bot_without_ids_count_as_tokens() -> None:
    bot = fed("a")
    bot.steps = [Step(text="a"), Step(text="ab", whole=True), Step(text="c", whole=True)]
    events = list(bot.chat(ask("hi")))
    assert events[1:] == [Delta("a"), Delta("b"), Replace("c"), Done("stop", Usage(2, 3))]


class Shouting(FedBot):
    """Has a process_response that changes text already sent."""

    def process_response(self, text: str) -> str:
        return text.strip().replace("oh", "OH!")


@given(st.lists(st.text(alphabet="oh 好🙂", max_size=5), max_size=10))
def test_the_events_give_process_response_of_the_whole(texts: list[str]) -> None:
    bot = Shouting()
    bot.load()
    bot.steps = [Step(text=text) for text in texts]
    assert text_of(bot.chat(ask("hi"))) == bot.process_response("".join(texts))


@given(st.lists(st.tuples(st.booleans(), st.text("oh 好", max_size=5)), max_size=10))
def test_whole_steps_among_others_give_process_response_of_the_last_whole(
    pieces: list[tuple[bool, str]],
) -> None:
    bot = Shouting()
    bot.load()
    bot.steps = [ids(text, whole=whole) for whole, text in pieces]
    last = max((n for n, (whole, _) in enumerate(pieces) if whole), default=0)
    final = "".join(text for _, text in pieces[last:])
    events = list(bot.chat(ask("hi")))
    assert text_of(events) == bot.process_response(final)
    assert isinstance(events[-1], Done)
    assert events[-1].usage.completion_tokens == len(final)
    kept: tuple[int, ...] = ()
    for event in events:
        if isinstance(event, Delta):
            kept += event.token_ids
        elif isinstance(event, Replace) and event.token_ids is not None:
            kept = event.token_ids
    assert kept == tuple(map(ord, final))


def test_settings_are_defaults_then_those_of_the_request_then_fixed_ones() -> None:
    bot = fed("x")
    list(bot.chat(ask("hi"), bot.Settings.parse({"mood": "loud", "mode": 1})))
    list(bot.chat(ask("hi")))
    first, second = bot.seen
    assert isinstance(first, FedBot.Settings)
    assert isinstance(second, FedBot.Settings)
    assert (first.mood, first.mode) == ("loud", 7)
    assert (second.mood, second.mode) == ("calm", 7)


@given(st.lists(st.text(max_size=5), min_size=2, max_size=6))
def test_settings_of_one_request_never_reach_another(moods: list[str]) -> None:
    bot = fed("x")
    asked = [bot.chat(ask("hi"), bot.Settings.parse({"mood": mood})) for mood in moods]
    streams = [*asked, bot.chat(ask("hi"))]
    for _ in range(3):  # interleaved
        for stream in streams:
            next(stream, None)
    assert [getattr(settings, "mood", None) for settings in bot.seen] == [*moods, "calm"]


def test_the_prompt_may_depend_on_the_final_settings() -> None:
    class Moody(FedBot):
        def get_prompt(self, messages: Sequence[Message], settings: Any) -> str:
            return f"{settings.mood}{settings.mode}"

    bot = Moody()
    bot.load()
    prepared = bot.prepare(ask("hi"), bot.Settings.parse({"mood": "loud"}))
    assert prepared.inputs.prompt == "loud7"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        FedBot.Settings().mood = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("params", "param", "words"),
    [
        ({"moody": 1}, "moody", "no setting 'moody'"),
        ({"max_new_tokens": -1}, "max_new_tokens", "greater than or equal to 0"),
        ({"stop": 3}, "stop", "tuple"),
    ],
)
def test_a_wrong_setting_is_named(params: dict[str, object], param: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        FedBot.Settings.parse(params)
    assert caught.value.param == param


def test_extra_settings_must_be_declared() -> None:
    class Wrong(FedBot):
        def extra_settings(self) -> dict[str, object]:
            return {"eos": 1}

    with pytest.raises(TypeError, match="eos"):
        Wrong().load()


def test_closing_the_stream_stops_generate_and_sets_the_event() -> None:
    bot, stop = fed("a", "b", "c"), threading.Event()
    stream = bot.run(bot.prepare(ask("hi"), bot.Settings()), stop)
    next(stream)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert bot.closed
    assert stop.is_set()


def test_a_set_stop_ends_the_answer_as_cancelled() -> None:
    bot, stop = loaded(EchoBot()), threading.Event()
    stream = bot.chat(ask("one two three four"), EchoSettings(), stop)
    assert isinstance(next(stream), Start)
    assert next(stream) == Delta(text="one")
    stop.set()
    assert list(stream) == [Done("cancelled", Usage(4, 1))]


def test_a_stop_text_ends_the_answer_and_the_decoding() -> None:
    bot = fed("one ", "EN", "D two", "three")
    events = list(bot.chat(ask("hi"), bot.Settings(stop=("END",))))
    assert text_of(events) == "one "
    assert events[-1] == Done("stop", Usage(2, 3))
    assert bot.closed


def test_an_error_in_generate_is_raised() -> None:
    bot = loaded(EchoBot())
    stream = bot.chat(ask("one two"), EchoSettings(fail_after=1))
    with pytest.raises(Exception, match="told to fail after 1"):
        list(stream)


def test_an_answer_of_the_full_length_ends_by_length() -> None:
    bot = loaded(EchoBot())
    events = list(bot.chat(ask("one two three"), EchoSettings(max_new_tokens=2)))
    assert text_of(events) == "one two"
    assert events[-1] == Done("length", Usage(3, 2))


def test_a_prompt_as_long_as_the_context_is_refused_with_both_numbers() -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        fed("x").prepare(ask("a" * 20), FedBot.Settings())
    assert (caught.value.prompt_tokens, caught.value.context_length) == (20, 20)


def test_the_answer_is_shortened_to_what_the_context_leaves() -> None:
    prepared = fed("x").prepare(ask("a" * 18), FedBot.Settings(max_new_tokens=100))
    assert prepared.settings.max_new_tokens == 2


class Reader(FedBot):
    """Has a context of 20 tokens for the prompt and another for the answer."""

    trims_history = True

    def info(self) -> BotInfo:
        return BotInfo(context_length=20, separate_answer=True)


def test_a_separate_answer_has_a_context_of_its_own() -> None:
    bot = loaded(Reader())
    prepared = bot.prepare(ask("a" * 20), bot.Settings(max_new_tokens=100))
    assert prepared.settings.max_new_tokens == 20
    assert bot.prepare(ask("a", "b", "c"), bot.Settings(max_new_tokens=100)).dropped_turns == 0
    with pytest.raises(ContextLengthExceeded, match="holds 20 tokens\\."):
        bot.prepare(ask("a" * 21), bot.Settings(max_new_tokens=0))


def test_settings_that_do_not_go_together_are_refused_before_anything_runs() -> None:
    class Strict(FedBot):
        token_prompts = True

        def check(self, settings: BotSettings) -> None:
            raise InvalidRequest("mood: not with this mode.", param="mood")

    bot = loaded(Strict())
    with pytest.raises(InvalidRequest, match="not with this mode"):
        bot.prepare(ask("x"), bot.Settings())
    with pytest.raises(InvalidRequest, match="not with this mode"):
        bot.prepare_text("x", bot.Settings())


class Trimming(FedBot):
    """Drops the oldest turns."""

    trims_history = True


def test_history_is_trimmed_oldest_first_with_trims_history() -> None:
    bot = Trimming()
    bot.load()
    turns = [Message("system", "s"), *ask("aaaaa", "b", "cccc", "d", "ee")]
    prepared = bot.prepare(turns, bot.Settings(max_new_tokens=8))
    assert prepared.inputs.prompt == "s|cccc|d|ee"
    assert prepared.dropped_turns == 2
    assert fed("x").prepare(turns, FedBot.Settings(max_new_tokens=1)).dropped_turns == 0


def test_only_the_newest_turns_are_kept_with_history_turns() -> None:
    class Brief(FedBot):
        history_turns = 1

    bot = Brief()
    turns = [Message("system", "s"), *ask("a", "b", "c", "d", "e")]
    prepared = bot.prepare(turns, bot.Settings(max_new_tokens=1))
    assert (prepared.inputs.prompt, prepared.dropped_turns) == ("s|c|d|e", 2)


def test_a_system_text_is_kept_wherever_it_stands() -> None:
    class Brief(FedBot):
        history_turns = 0

    bot, more = Brief(), Message("system", "t")
    first, answer, last = ask("a", "b", "c")
    turns = [Message("system", "s"), first, more, answer, last]
    prepared = bot.prepare(turns, bot.Settings(max_new_tokens=1))
    assert (prepared.inputs.prompt, prepared.dropped_turns) == ("s|t|c", 2)


def test_a_bot_has_stop_texts_of_its_own() -> None:
    class Marked(FedBot):
        stop_texts = ("User:",)

    bot = Marked()
    bot.load()
    bot.steps = [Step("one END two User: three")]
    assert text_of(bot.chat(ask("x"))) == "one END two "
    assert text_of(bot.chat(ask("x"), bot.Settings(stop=("END",)))) == "one "


def test_a_conversation_without_a_user_message_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no user message"):
        fed("x").prepare([Message("system", "s")], FedBot.Settings())


def test_raw_prompts_are_refused_without_token_prompts() -> None:
    with pytest.raises(Unsupported):
        fed("x").prepare_text("raw", FedBot.Settings())


class Thinking(FedBot):
    """Has reasoning between tags."""

    reasoning_tags = ("<think>", "</think>")


def test_reasoning_is_streamed_apart_from_the_answer() -> None:
    bot = Thinking()
    bot.load()
    bot.steps = [Step(text="<think>why"), Step(text=" so</think>"), Step(text="yes")]
    deltas = [event for event in bot.chat(ask("hi")) if isinstance(event, Delta)]
    assert "".join(delta.reasoning for delta in deltas) == "why so"
    assert "".join(delta.text for delta in deltas) == "yes"


def test_ids_and_text_of_a_step_share_one_event() -> None:
    bot = fed()
    bot.steps = [Step(text="a", token_ids=(1,)), Step(token_ids=(2,), reasoning="r")]
    deltas = [event for event in bot.chat(ask("hi")) if isinstance(event, Delta)]
    assert deltas == [Delta(text="a", token_ids=(1,)), Delta(reasoning="r", token_ids=(2,))]


def test_chat_waits_at_pauses_and_run_pausing_yields_them() -> None:
    bot = loaded(EchoBot())
    settings = bot.Settings.parse({"rate": 20})
    messages = [Message("user", "one two three")]
    events = list(bot.chat(messages, settings))
    assert not any(isinstance(event, Pause) for event in events)
    assert "".join(e.text for e in events if isinstance(e, Delta)) == "one two three"

    pausing = []
    for event in bot.run_pausing(bot.prepare(messages, settings), threading.Event()):
        if isinstance(event, Pause):
            event.wait()
        pausing.append(event)
    assert any(isinstance(event, Pause) for event in pausing)
    assert [e for e in pausing if not isinstance(e, Pause)] == events
    assert isinstance(events[-1], Done)
    bot.close()


@given(st.text(max_size=60))
def test_pieces_of_an_echo_give_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_the_echo_is_deterministic() -> None:
    bot = loaded(EchoBot())
    first, second = (list(bot.chat(ask("a 世界 🙂"), EchoSettings(repeat=2))) for _ in range(2))
    assert first == second
