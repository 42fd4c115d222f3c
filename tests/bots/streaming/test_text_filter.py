"""The invariant of the text filter: for every chunking, the events give the processed answer."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.events import Delta, Replace
from bots.streaming.text_filter import TextFilter, partial_suffix, split_reasoning


def chunked(text: str, cuts: list[int]) -> list[str]:
    """The text in chunks that end at these positions."""
    ends = sorted({min(cut, len(text)) for cut in cuts} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def applied(answer: TextFilter, chunks: list[str]) -> tuple[str, str]:
    """Text and reasoning of a reader after all events."""
    text = reasoning = ""
    events = [event for chunk in chunks for event in answer.feed(chunk)]
    for event in [*events, *answer.finish()]:
        if isinstance(event, Replace):
            text = event.text
        else:
            text, reasoning = text + event.text, reasoning + event.reasoning
    return text, reasoning


def restarted(answer: TextFilter, pieces: list[tuple[bool, str]]) -> tuple[str, str, str]:
    """Text, reasoning and raw text after pieces, of which those with True replace all before."""
    text = reasoning = raw = ""
    events: list[Delta | Replace] = []
    for whole, piece in pieces:
        raw = piece if whole else raw + piece
        events += answer.restart(piece) if whole else answer.feed(piece)
    for event in [*events, *answer.finish()]:
        if isinstance(event, Replace):
            text = event.text
            reasoning = reasoning if event.reasoning is None else event.reasoning
        else:
            text, reasoning = text + event.text, reasoning + event.reasoning
    return text, reasoning, raw


def chatglm_like(text: str) -> str:
    """Strip white space, fill in a date, and make commas after CJK characters full-width."""
    text = text.strip().replace("[[训练时间]]", "2023年")
    return re.sub(r"(?<=[\u4e00-\u9fff]),", "，", text)


TEXT = st.text(alphabet="ab ,\n[]训练时间好🙂é<>/think", max_size=40)
CUTS = st.lists(st.integers(0, 40), max_size=12)
PROCESSES: list[Callable[[str], str]] = [str.strip, str.upper, chatglm_like, lambda t: t[::-1]]


@given(TEXT, CUTS, st.sampled_from([None, *PROCESSES]))
def test_any_chunking_gives_the_processed_whole(
    text: str, cuts: list[int], process: Callable[[str], str] | None
) -> None:
    got, reasoning = applied(TextFilter(process), chunked(text, cuts))
    assert got == (process(text) if process else text)
    assert reasoning == ""


@given(TEXT, CUTS, st.lists(st.text(alphabet="ab ,训", min_size=1, max_size=3), max_size=3))
def test_stop_texts_cut_at_the_same_place_for_any_chunking(
    text: str, cuts: list[int], stop: list[str]
) -> None:
    by_character, _ = applied(TextFilter(stop=stop), list(text))
    in_chunks, _ = applied(TextFilter(stop=stop), chunked(text, cuts))
    assert in_chunks == by_character
    assert text.startswith(in_chunks)
    assert not any(one in in_chunks for one in stop)
    if not any(one in text for one in stop):
        assert in_chunks == text


@given(TEXT, CUTS, st.booleans())
def test_reasoning_is_the_same_for_any_chunking(text: str, cuts: list[int], inside: bool) -> None:
    tags = ("<think>", "</think>")

    def parts(chunks: list[str]) -> tuple[str, str]:
        return applied(TextFilter(reasoning_tags=tags, inside_reasoning=inside), chunks)

    assert parts(chunked(text, cuts)) == parts([text]) == parts(list(text))


PIECES = st.lists(st.tuples(st.booleans(), st.text("ab <>/think", max_size=12)), max_size=8)


@given(PIECES, st.sampled_from([None, *PROCESSES]))
def test_restarts_give_the_processed_text_since_the_last(
    pieces: list[tuple[bool, str]], process: Callable[[str], str] | None
) -> None:
    text, _, raw = restarted(TextFilter(process), pieces)
    assert text == (process(raw) if process else raw)


@given(PIECES, st.booleans())
def test_restarts_split_the_reasoning_again(pieces: list[tuple[bool, str]], inside: bool) -> None:
    tags = ("<think>", "</think>")
    text, reasoning, raw = restarted(
        TextFilter(reasoning_tags=tags, inside_reasoning=inside), pieces
    )
    assert (reasoning, text) == split_reasoning(raw, tags, inside=inside, final=True)


def test_stop_texts_end_a_restarted_answer_too() -> None:
    answer = TextFilter(stop=["END"])
    assert list(answer.feed("one E")) == [Delta("one ")]
    assert list(answer.restart("one two E")) == [Delta("two ")]
    assert list(answer.restart("no END more")) == [Replace("no ")]
    assert answer.stopped
    assert list(answer.restart("no ")) == []
    assert not answer.stopped


def test_reasoning_is_not_part_of_the_answer() -> None:
    answer = TextFilter(reasoning_tags=("<think>", "</think>"))
    assert applied(answer, ["\n<th", "ink>why", "</thi", "nk>\n\nso"]) == ("so", "why")


def test_text_that_only_looks_like_a_tag_is_not_lost() -> None:
    assert split_reasoning("<thi", ("<think>", "</think>"), inside=False, final=True) == (
        "",
        "<thi",
    )
    assert applied(TextFilter(reasoning_tags=("<think>", "</think>")), ["<thi", "s>"]) == (
        "<this>",
        "",
    )


def test_text_after_a_stop_text_is_ignored() -> None:
    answer = TextFilter(stop=["END"])
    assert list(answer.feed("one E")) == [Delta(text="one ")]
    assert list(answer.feed("ND two")) == []
    assert answer.stopped
    assert list(answer.feed("three")) == []
    assert list(answer.finish()) == []


def test_the_stop_text_that_ends_first_wins() -> None:
    assert applied(TextFilter(stop=["abc", "b"]), ["xabc"])[0] == "xa"


@pytest.mark.parametrize(
    ("text", "needles", "size"), [("xab", ["abc"], 2), ("x", ["abc"], 0), ("abc", ["abc"], 0)]
)
def test_partial_suffix(text: str, needles: list[str], size: int) -> None:
    assert partial_suffix(text, needles) == size
