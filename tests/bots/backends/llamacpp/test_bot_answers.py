"""Answers of the llama.cpp bot on the built-in model: text, ids, scores, and each setting."""

import threading
from typing import Any

import pytest

from bots.backends.llamacpp.bot import LlamaCppChatBot
from bots.events import Delta, Done, Message, PromptScored, Start
from tests.bots.backends.llamacpp.questions import (
    GREEDY,
    HELLO,
    LONG,
    Settings,
    answer,
    ask,
    ids_of,
    soon_idle,
)

# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.model
def test_an_answer_streams_and_is_counted(bot: LlamaCppChatBot) -> None:
    """One id a token, and llama.cpp's own counts."""
    events = list(bot.chat([Message("user", "Count from one to ten.")], GREEDY))
    assert isinstance(events[0], Start)
    done = events[-1]
    assert isinstance(done, Done)
    deltas = [event for event in events if isinstance(event, Delta)]
    assert len(deltas) > 5
    assert done.usage.prompt_tokens == events[0].prompt_tokens
    assert done.usage.completion_tokens in (
        len(ids_of(iter(events))),
        len(ids_of(iter(events))) + 1,
    )


@pytest.mark.model
def test_the_end_is_the_models_or_the_limits(bot: LlamaCppChatBot) -> None:
    """`length` at the limit, `stop` where the model ends, which can be ignored."""
    question = [Message("user", "What is the capital of France? One word.")]

    def last(**params: Any) -> Done:
        event = list(bot.chat(question, Settings(temperature=0, **params)))[-1]
        assert isinstance(event, Done)
        return event

    ended = last(max_new_tokens=200)
    assert ended.finish_reason == "stop"
    limited = last(max_new_tokens=2)
    assert (limited.finish_reason, limited.usage.completion_tokens) == ("length", 2)
    nothing = last(max_new_tokens=0)
    assert (nothing.finish_reason, nothing.usage.completion_tokens) == ("length", 0)
    further = last(max_new_tokens=ended.usage.completion_tokens + 5, ignore_eos=True)
    assert further.finish_reason == "length"


@pytest.mark.model
def test_a_known_beginning_is_not_computed_again(bot: LlamaCppChatBot) -> None:
    """The second turn finds the first one's keys and values."""
    first = [Message("user", "Remember the number seven, please.")]
    said = answer(bot.chat(first, GREEDY))
    second = [*first, Message("assistant", said), Message("user", "Which number?")]
    done = list(bot.chat(second, GREEDY))[-1]
    assert isinstance(done, Done)
    assert done.usage.cached_tokens > 40


@pytest.mark.model
def test_no_character_is_ever_broken(bot: LlamaCppChatBot) -> None:
    """Chinese and emoji, whatever the limit cuts; the ids of all tokens are there."""
    prompt = "你好，世界！😀👩‍👧🌟 你好，世界！😀👩‍👧🌟 你好，世界！😀👩‍👧🌟 你好，"
    whole = ""
    for limit in (24, *range(1, 16)):
        settings = Settings(temperature=0, max_new_tokens=limit, ignore_eos=True)
        events = list(bot.run(bot.prepare_text(prompt, settings)))
        text = answer(iter(events))
        whole = whole or text
        assert "\ufffd" not in text
        assert whole.startswith(text)
        assert bot.client.tokenize(text) == ids_of(iter(events))
    assert "世界" in whole


@pytest.mark.model
def test_a_stop_text_ends_the_answer_and_frees_the_slot(bot: LlamaCppChatBot) -> None:
    """The text before it stays; the model does not go on in secret."""
    whole = ask(bot, temperature=0, max_new_tokens=40)
    word = whole.split()[4]
    events = list(
        bot.chat(
            [Message("user", "Tell me about the sea.")],
            Settings(temperature=0, max_new_tokens=4000, ignore_eos=True, stop=(word,)),
        )
    )
    assert answer(iter(events)) == whole.partition(word)[0]
    assert isinstance(events[-1], Done)
    assert events[-1].finish_reason == "stop"
    assert soon_idle(bot)


@pytest.mark.model
def test_a_prompt_is_scored_as_an_answer_is(bot: LlamaCppChatBot) -> None:
    """An answer's log-probabilities are those of its tokens where they are the prompt."""
    settings = Settings(temperature=0, max_new_tokens=12, logprobs=2, ignore_eos=True)
    begin = bot.prepare_text("Hello, my name is", settings)
    new = [one for event in bot.run(begin) if isinstance(event, Delta) for one in event.logprobs]
    ids = [*(begin.inputs.token_ids or ()), *(one.token_id for one in new)]
    events = list(bot.run(bot.prepare_text(ids, Settings(max_new_tokens=0, prompt_logprobs=2))))
    (scored,) = (event.logprobs for event in events if isinstance(event, PromptScored))
    assert [one.token_id for one in scored] == ids
    assert scored[0].logprob is None
    for before, after in zip(new, scored[-len(new) :], strict=True):
        assert after.logprob == pytest.approx(before.logprob, abs=0.05)
        assert after.top[0].token_id == before.token_id
        assert len(after.top) == 2
    assert isinstance(events[-1], Done)
    assert (events[-1].finish_reason, events[-1].usage.completion_tokens) == ("length", 0)


@pytest.mark.model
def test_tokens_that_end_inside_a_character_are_scored(bot: LlamaCppChatBot) -> None:
    """The model's tokenizer has no whole token for most Chinese characters."""
    prepared = bot.prepare_text("狐狸", Settings(max_new_tokens=0, prompt_logprobs=0))
    ids = prepared.inputs.token_ids or ()
    assert len(ids) > 2
    (scored,) = (e.logprobs for e in bot.run(prepared) if isinstance(e, PromptScored))
    assert [one.token_id for one in scored] == list(ids)
    assert all(one.logprob is not None and -40 < one.logprob < 0 for one in scored[1:])
    assert all(one.top == () for one in scored)


@pytest.mark.model
def test_a_stop_ends_the_scoring(bot: LlamaCppChatBot) -> None:
    """At the next token; a long prompt would take a minute."""
    prepared = bot.prepare_text(LONG, Settings(max_new_tokens=0, prompt_logprobs=0))
    stop = threading.Event()
    stop.set()
    events = list(bot.run(prepared, stop))
    assert not [one for one in events if isinstance(one, PromptScored) and len(one.logprobs) > 1]
    assert soon_idle(bot)


@pytest.mark.model
def test_logprobs_are_of_the_whole_vocabulary(bot: LlamaCppChatBot) -> None:
    """The greedy token is the first candidate, whatever the sampling settings cut."""
    settings = Settings(temperature=0, top_k=1, max_new_tokens=5, logprobs=3)
    found = [
        one
        for event in bot.chat(HELLO, settings)
        if isinstance(event, Delta)
        for one in event.logprobs
    ]
    assert len(found) == 5
    for one in found:
        assert one.logprob is not None
        assert len(one.top) == 3
        assert (one.token_id, one.logprob) == (one.top[0].token_id, one.top[0].logprob)
        assert one.logprob < 0
        assert one.top[0].logprob >= one.top[1].logprob >= one.top[2].logprob


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.model
def test_each_way_to_be_greedy_is_greedy(bot: LlamaCppChatBot) -> None:
    """Every sampling setting reaches llama.cpp: at its strict end it leaves one token."""
    best = ask(bot, temperature=0)
    hot: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "seed": 5}
    assert ask(bot, **hot) != best
    assert ask(bot, **hot | {"top_k": 1}) == best
    assert ask(bot, **hot | {"top_p": 0.0}) == best
    assert ask(bot, **hot | {"min_p": 1.0}) == best


@pytest.mark.model
def test_a_seed_makes_an_answer_come_again(bot: LlamaCppChatBot) -> None:
    """And another seed, or none, gives another one."""
    hot: dict[str, Any] = {"temperature": 1.5, "top_p": 1.0}
    assert ask(bot, seed=1, **hot) == ask(bot, seed=1, **hot)
    assert len({ask(bot, seed=seed, **hot) for seed in (1, 2, 3)}) == 3
    assert ask(bot, **hot) != ask(bot, **hot)


@pytest.mark.model
@pytest.mark.parametrize(
    "params",
    [
        {"typical_p": 0.05, "temperature": 1.0, "top_p": 1.0, "seed": 5},
        {"repetition_penalty": 2.0, "temperature": 0},
        {"presence_penalty": 2.0, "temperature": 0},
        {"frequency_penalty": 2.0, "temperature": 0},
    ],
)
def test_each_other_setting_changes_the_answer(
    bot: LlamaCppChatBot, params: dict[str, Any]
) -> None:
    """Against the same request with that setting off."""
    name = next(iter(params))
    off = {key: value for key, value in params.items() if key != name}
    assert ask(bot, **params) != ask(bot, **off)


@pytest.mark.model
def test_penalties_count_the_prompt_too(bot: LlamaCppChatBot) -> None:
    """As the descriptions of the settings say: a word of the prompt becomes less probable."""
    prompt = bot.get_input("one two three four five six. one two three four").token_ids
    assert prompt is not None

    def first_id(**params: Any) -> list[int]:
        settings = Settings(temperature=0, max_new_tokens=1, **params)
        return ids_of(bot.run(bot.prepare_text(prompt, settings)))

    assert first_id()[0] in prompt
    assert (
        first_id(presence_penalty=2.0, frequency_penalty=2.0, repetition_penalty=2.0)[0]
        not in prompt
    )
