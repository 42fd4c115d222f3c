"""Bodies of OpenAI's requests: what is understood and what is refused."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.server.worker.routes.openai.conftest import (
    chat,
)


def test_parts_of_text_and_developer_messages_are_understood(letters: TestClient) -> None:
    messages = [
        {"role": "developer", "content": "x"},
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
    ]
    reply = letters.post("/v1/chat/completions", json=chat(messages=messages, stop="d"))
    assert reply.json()["choices"][0]["message"]["content"] == "bc"
    assert reply.json()["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("more", "status", "param"),
    [
        ({"model": "other"}, 404, "model"),
        ({"n": 2}, 400, "n"),
        ({"temperature": 3}, 400, "temperature"),
        ({"top_logprobs": 3}, 400, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "top_logprobs"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages"),
        ({"messages": []}, 422, "messages"),
    ],
)
def test_what_cannot_be_done_is_named(
    letters: TestClient, more: dict[str, Any], status: int, param: str
) -> None:
    reply = letters.post("/v1/chat/completions", json=chat(**more))
    assert reply.status_code == status
    assert reply.json()["error"]["param"] == param
