"""Events from steps: ids and text in one event, whole steps, the count of tokens."""

from collections.abc import Sequence

import pytest

from bots.events import Delta, Replace, Step, TokenLogprob
from bots.streaming.assembly import EventAssembler
from bots.streaming.text_filter import TextFilter


def assembled(
    steps: Sequence[Step], stop: Sequence[str] = ()
) -> tuple[list[Delta | Replace], EventAssembler]:
    """All events of these steps, each with its own text."""
    assembler = EventAssembler(TextFilter(stop=stop))
    events = [event for step in steps for event in assembler.feed(step, step.text)]
    return [*events, *assembler.finish()], assembler


def test_ids_logprobs_and_text_of_a_step_are_one_event() -> None:
    scored = (TokenLogprob(1, "a", -0.5),)
    events, _ = assembled([Step("a", token_ids=(1,), logprobs=scored)])
    assert events == [Delta("a", token_ids=(1,), logprobs=scored)]


def test_ids_are_sent_at_once_where_their_text_is_held_back() -> None:
    events, _ = assembled([Step("E", token_ids=(1,)), Step("x", token_ids=(2,))], stop=["END"])
    assert events == [Delta(token_ids=(1,)), Delta("Ex", token_ids=(2,))]


def test_a_whole_step_that_continues_the_ids_is_a_delta() -> None:
    steps = [Step("a", token_ids=(1,)), Step("ab", token_ids=(1, 2), whole=True)]
    assert assembled(steps)[0] == [Delta("a", token_ids=(1,)), Delta("b", token_ids=(2,))]


def test_a_whole_step_with_other_ids_replaces_everything() -> None:
    steps = [Step("a", token_ids=(1,)), Step("ab", token_ids=(3, 2), whole=True)]
    assert assembled(steps)[0] == [Delta("a", token_ids=(1,)), Replace("ab", token_ids=(3, 2))]


def test_a_stop_text_ends_the_answer() -> None:
    events, assembler = assembled([Step("one EN"), Step("D two")], stop=["END"])
    assert events == [Delta("one ")]
    assert assembler.stopped


@pytest.mark.parametrize(
    ("steps", "tokens"),
    [
        ([Step(token_ids=(1, 2)), Step(token_ids=(3,))], 3),
        ([Step("one "), Step("two"), Step()], 2),
        ([Step(reasoning="why"), Step("so")], 2),
        ([Step(token_ids=(1, 2)), Step(token_ids=(3,), whole=True)], 1),
        ([Step(token_ids=(1, 2)), Step(whole=True)], 0),
        ([Step("a"), Step("ab", whole=True)], 2),
    ],
)
def test_tokens_are_ids_or_steps_with_a_text(steps: list[Step], tokens: int) -> None:
    assert assembled(steps)[1].tokens == tokens
