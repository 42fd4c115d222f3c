"""Chunks of OpenAI's dialect to steps. No connection."""

import json
from typing import Any

import pytest

from bots.backends.openai.chunks import ChunkReader, error_message
from bots.errors import UpstreamError
from bots.events import Step, Usage


def chunk(**delta: Any) -> str:
    """The data of a chunk in the middle of an answer."""
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


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
    assert error_message(body) == message
