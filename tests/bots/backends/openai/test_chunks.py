"""OpenAI's streaming dialect, byte by byte. No connection."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.backends.openai.chunks import ChunkReader, data_of, reason_of
from bots.errors import UpstreamError
from bots.events import Step, Usage


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """The bytes in pieces of these sizes, then the rest."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def chunk(**delta: Any) -> str:
    """The data of a chunk in the middle of an answer."""
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


@given(
    st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]))),
    st.lists(st.integers(1, 7), max_size=60),
    st.sampled_from(["\n", "\r\n"]),
)
def test_events_are_the_same_however_the_bytes_are_cut(
    texts: list[str], sizes: list[int], end: str
) -> None:
    """Also inside a character, and with what other readers take for line ends in the text."""
    body = "".join(f": ping{end}event: x{end}data: {text}{end}{end}" for text in texts)
    assert list(data_of(cut(body.encode(), sizes))) == texts


def test_quirks_of_servers() -> None:
    """No space after the colon, data on two lines, blank lines, an end without a blank line."""
    body = b"\n\n: hello\ndata:a\n\n\n\nid: 1\ndata: b\ndata: c\n\nretry: 3\n\ndata: d"
    assert list(data_of([body])) == ["a", "b\nc", "d"]
    assert list(data_of([b'data: "\xe2\x80\xa8\xc2\x85\x0c"\n\n'])) == ['"\u2028\x85\x0c"']


def test_what_is_no_text_is_an_error() -> None:
    """Neither broken characters nor a line without an end are passed on."""
    with pytest.raises(UpstreamError, match="UTF-8"):
        list(data_of([b"data: \xff\n\n"]))
    with pytest.raises(UpstreamError, match="does not end"):
        list(data_of([b"x" * (1 << 20)] * 20))


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_both_names_of_reasoning(name: str) -> None:
    """DeepSeek and vLLM say one, others the other."""
    assert ChunkReader().step(chunk(**{name: "hm", "content": None})) == Step(reasoning="hm")


def test_chunks_of_every_form() -> None:
    """Roles, nulls and unknown fields say nothing; usage may come in any chunk."""
    reader = ChunkReader()
    assert reader.step(chunk(role="assistant", content="")) == Step()
    assert reader.step(chunk(content="a", extra=[1])) == Step(text="a")
    assert reader.step('{"choices":[],"usage":null}') == Step()
    assert reader.step('{"choices":[{"delta":null,"finish_reason":null}]}') == Step()
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 1},
    }
    assert reader.step(json.dumps({"choices": [], "usage": usage})).usage == Usage(3, 2, 1)
    assert reader.step('{"choices":[],"usage":{"total_tokens":5}}').usage == Usage(None, 0, 0)
    assert not reader.finished


@pytest.mark.parametrize(
    ("given_reason", "reason"), [("stop", "stop"), ("length", "length"), ("content_filter", "stop")]
)
def test_finish_reasons(given_reason: str, reason: str) -> None:
    """What has no word of ours is a stop."""
    reader = ChunkReader()
    choice = {"delta": {"content": "z"}, "finish_reason": given_reason}
    assert reader.step(json.dumps({"choices": [choice]})).finish_reason == reason
    assert reader.finished


@pytest.mark.parametrize("data", ["nonsense", "[1]", "3", '{"error":{"message":"broken"}}'])
def test_nonsense_and_errors_in_the_stream_are_errors(data: str) -> None:
    """They are shown, and cut where they are long."""
    with pytest.raises(UpstreamError):
        ChunkReader().step(data)
    with pytest.raises(UpstreamError, match=r"…$"):
        ChunkReader().step("<html>" * 1000)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "a", "code": 1}}, "a"),
        ({"error": "b"}, "b"),
        ({"message": "c"}, "c"),
        ({"detail": [{"loc": ["x"]}]}, '[{"loc": ["x"]}]'),
        ("<html> 502\n</html>", "<html> 502 </html>"),
        ({}, "{}"),
    ],
)
def test_error_bodies_of_every_form(body: object, message: str) -> None:
    """OpenAI's, and what servers and proxies make of it."""
    assert reason_of(body) == message
