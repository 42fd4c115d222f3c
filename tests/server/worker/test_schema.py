"""Bodies of the native protocol: unknown fields, text that cannot be encoded, system texts."""

import pytest
from pydantic import ValidationError

from bots.events import Message, Usage
from server.worker.schema import ChatMessage, GenerateRequest, PromptRequest, UsageBody

ASK = {"messages": [{"role": "user", "content": "q"}]}


@pytest.mark.parametrize(
    "body", [ASK | {"strem": True}, {"messages": []}, {"messages": [{"role": "user"}]}]
)
def test_a_misspelt_or_missing_field_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GenerateRequest.model_validate(body)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValidationError, match="surrogate"):
        ChatMessage(role="user", content="\ud800")


def test_the_system_text_replaces_those_of_the_messages() -> None:
    messages = [{"role": "system", "content": "old"}, {"role": "user", "content": "q"}]
    body = PromptRequest.model_validate({"messages": messages})
    assert body.all_messages() == [Message("system", "old"), Message("user", "q")]
    body = PromptRequest.model_validate({"messages": messages, "system": "new"})
    assert body.all_messages() == [Message("system", "new"), Message("user", "q")]


def test_streaming_is_the_default() -> None:
    assert GenerateRequest.model_validate(ASK).stream


def test_counts_keep_their_names() -> None:
    assert UsageBody.of(Usage(1, 2, 3)).model_dump() == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "cached_tokens": 3,
    }
