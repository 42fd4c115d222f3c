"""Bodies of OpenAI's chat and text completions, as far as a worker supports them.

Format: https://platform.openai.com/docs/api-reference. The sampling fields beyond it are vLLM's.
Unknown fields are ignored, as OpenAI's clients expect.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bots.errors import InvalidRequest
from bots.events import Message, Role
from server.worker.schema import Text

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


class _Sampling(BaseModel):
    """The sampling fields, which have the names of the bots' settings."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    ignore_eos: bool | None = None


class _Request(_Sampling):
    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    stream: bool = False
    stream_options: "StreamOptions | None" = None
    stop: str | list[str] | None = None
    n: int | None = None

    def params(self) -> dict[str, Any]:
        """The sampling fields that are set and the stop texts, as settings of a bot.

        Raises InvalidRequest for an `n` other than 1, because a request gets one answer.
        """
        params = self.model_dump(include=set(_Sampling.model_fields), exclude_none=True)
        if self.stop:
            params["stop"] = [self.stop] if isinstance(self.stop, str) else self.stop
        if self.n not in (None, 1):
            raise InvalidRequest("n: one answer a request.", param="n")
        return params

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)


class StreamOptions(BaseModel):
    """Options of a stream: `include_usage` adds a last chunk with the token counts."""

    include_usage: bool = False


class ContentPart(BaseModel):
    """A part of a message. Only the type `text` is supported."""

    type: str
    text: Text | None = None


class ChatCompletionMessage(BaseModel):
    """One message of a chat completion request: a text, or parts that are joined to one."""

    role: str
    content: Text | list[ContentPart] | None = None

    def to_message(self) -> Message:
        """The message in the form that bots take.

        Raises InvalidRequest for an unknown role and for parts that are not text.
        """
        role = _ROLES.get(self.role)
        if role is None:
            raise InvalidRequest(f"messages: role {self.role!r} is not known.", param="messages")
        parts = self.content if isinstance(self.content, list) else []
        if any(part.type != "text" for part in parts):
            raise InvalidRequest("messages: only text is understood.", param="messages")
        joined = "".join(part.text or "" for part in parts)
        text = self.content if isinstance(self.content, str) else joined
        return Message(role, text)


class ChatCompletionRequest(_Request):
    """POST /v1/chat/completions."""

    messages: list[ChatCompletionMessage] = Field(min_length=1)
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class CompletionRequest(_Request):
    """POST /v1/completions."""

    prompt: Text | list[Text] | list[int] | list[list[int]]
    max_tokens: int | None = None
    echo: bool = False
    logprobs: int | None = None
    return_token_ids: bool = False


class OpenAIUsage(BaseModel):
    """Token counts of a request, summed over its prompts.

    `prompt_tokens_details` has `cached_tokens`: tokens of the prompts that the prefix cache held.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int] | None = None


class TopToken(BaseModel):
    """One of the most probable tokens at a position: its text, log-probability and UTF-8 bytes."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class ChatToken(TopToken):
    """A token of the answer, and the most probable tokens at its position."""

    top_logprobs: list[TopToken] = []


class ChatLogprobs(BaseModel):
    """Log-probabilities of a chat completion, one entry per token of the answer."""

    content: list[ChatToken]


class AssistantMessage(BaseModel):
    """The answer of a chat completion; `reasoning_content` is null without reasoning."""

    role: Literal["assistant"] = "assistant"
    content: str
    reasoning_content: str | None = None


class ChatChoice(BaseModel):
    """The one choice of a chat completion."""

    index: int = 0
    message: AssistantMessage
    logprobs: ChatLogprobs | None = None
    finish_reason: str


class ChatCompletion(BaseModel):
    """A whole chat completion."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: OpenAIUsage


class TextLogprobs(BaseModel):
    """Log-probabilities of a text completion; parallel lists, one entry per token."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(BaseModel):
    """The continuation of one prompt: the prompt's index, the text, and ids where requested."""

    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: str | None
    token_ids: list[int] | None = None
    prompt_token_ids: list[int] | None = None


class TextCompletion(BaseModel):
    """A whole text completion, one choice per prompt."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: OpenAIUsage


class ModelObject(BaseModel):
    """A model in the list of `/v1/models`."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "chatzoo"


class ModelList(BaseModel):
    """The one model of this worker, as a list."""

    object: Literal["list"] = "list"
    data: list[ModelObject]
