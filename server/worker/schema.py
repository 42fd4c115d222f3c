"""Bodies of the native protocol. The OpenAPI document and the page's types are made from them.

Requests with unknown fields are refused: a misspelt setting must not silently have no effect.
"""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bots.events import FinishReason, Message, Role, Usage
from server.http.errors import ErrorBody


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("the text holds half of a surrogate pair, which is no character") from None
    return value


Text = Annotated[str, AfterValidator(_encodable)]
"""Text that can be encoded as UTF-8: JSON allows lone surrogates, tokenizers do not."""

State = Literal["loading", "ready", "draining", "failed"]


class Strict(BaseModel):
    """A request body that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid")


class ChatMessage(Strict):
    """One message of a conversation."""

    role: Role
    content: Text

    def to_message(self) -> Message:
        """The message in the form that bots take."""
        return Message(self.role, self.content)


class PromptRequest(Strict):
    """A conversation whose prompt is to be built."""

    messages: list[ChatMessage] = Field(min_length=1)
    params: dict[str, Any] = Field(
        default_factory=dict, description="Settings of this request; their schema is `/params`."
    )
    system: Text | None = Field(
        None, description="System text; takes the place of one in `messages`."
    )

    def all_messages(self) -> list[Message]:
        """The messages, with the system text in front."""
        messages = [message.to_message() for message in self.messages]
        if self.system is None:
            return messages
        others = [message for message in messages if message.role != "system"]
        return [Message("system", self.system), *others]


class GenerateRequest(PromptRequest):
    """A conversation to answer."""

    stream: bool = Field(True, description="Server-sent events, or one JSON object when false.")


class UsageBody(BaseModel):
    """Token counts; `prompt_tokens` is null where the bot cannot count."""

    prompt_tokens: int | None
    completion_tokens: int
    cached_tokens: int

    @classmethod
    def of(cls, usage: Usage) -> "UsageBody":
        """The body of a bot's token counts."""
        return cls(**asdict(usage))


class TimingsBody(BaseModel):
    """Times in milliseconds, and the decode rate after the first token.

    `queue_ms` starts when the prompt is built and the request enters the queue; `ttft_ms` (time to
    first token) and `total_ms` start when the request arrives.
    """

    queue_ms: int
    ttft_ms: int | None
    total_ms: int
    tokens_per_second: float | None


class QueuedEvent(BaseModel):
    """`event: queued`. The request waits; position 1 runs next."""

    id: str
    position: int


class StartEvent(BaseModel):
    """`event: start`. The model starts to process the prompt."""

    id: str
    model: str
    prompt_tokens: int | None
    queue_ms: int
    dropped_turns: int


class DeltaEvent(BaseModel):
    """`event: delta`. Text to append to the answer, or to the reasoning, or both."""

    text: str | None = None
    reasoning: str | None = None


class ReplaceEvent(BaseModel):
    """`event: replace`. The whole answer so far, because text that was sent has changed.

    `reasoning` is the whole reasoning, if that has changed as well.
    """

    text: str
    reasoning: str | None = None


class DoneEvent(BaseModel):
    """`event: done`. The answer is complete."""

    finish_reason: FinishReason
    usage: UsageBody
    timings: TimingsBody


class StreamEvents(BaseModel):
    """Data of the events of a stream, by event name. The last event is `done` or `error`."""

    queued: QueuedEvent
    start: StartEvent
    delta: DeltaEvent
    replace: ReplaceEvent
    done: DoneEvent
    error: ErrorBody


class GenerateResponse(BaseModel):
    """A whole answer: what the events of a stream add up to."""

    id: str
    model: str
    text: str
    reasoning: str | None
    finish_reason: FinishReason
    usage: UsageBody
    timings: TimingsBody


class PromptResponse(BaseModel):
    """The exact input of the model for a conversation."""

    prompt: str
    token_ids: list[int] | None
    count: int | None
    dropped_turns: int


class CancelResponse(BaseModel):
    """The request is being stopped."""

    id: str
    cancelled: bool


class ProgressBody(BaseModel):
    """Progress of loading; `fraction` of the stage, from 0 to 1, is null where unknown."""

    stage: str
    fraction: float | None


class QueueBody(BaseModel):
    """Requests that run and wait, and how many may."""

    running: int
    waiting: int
    max_running: int
    max_queue: int


class Capabilities(BaseModel):
    """Optional features of this bot."""

    stream: bool = True
    beam: bool = False
    logprobs: bool = False
    tools: bool = False
    system: bool = True
    token_prompts: bool = False


class LimitsBody(BaseModel):
    """The worker's limits for one request."""

    max_new_tokens: int
    max_messages: int
    max_body_bytes: int
    request_timeout_s: float


class MemoryBody(BaseModel):
    """Memory of the model in bytes: weights, KV cache, and the peak use of its device. Null where
    unknown."""

    weights: int | None = None
    cache: int | None = None
    peak: int | None = None


class InfoResponse(BaseModel):
    """Facts of a worker. Those of the model are null until it is loaded, and where unknown."""

    name: str
    family: str
    model: str
    native_class: str | None
    device_map: dict[str, str] | None
    dtype: str | None
    quantization: str | None
    context_length: int | None
    revision: str | None
    base_model: str | None
    adapter: Literal["merged", "separate"] | None
    engine: Literal["continuous_batching", "sequential"] | None
    engine_reason: str | None
    memory: MemoryBody
    version: str
    state: State
    progress: ProgressBody | None
    error: str | None
    queue: QueueBody
    capabilities: Capabilities
    limits: LimitsBody


class HealthResponse(BaseModel):
    """The process runs."""

    status: Literal["ok"] = "ok"


class ReadyResponse(BaseModel):
    """The worker can answer requests."""

    state: State


class NotReadyResponse(ErrorBody):
    """The worker cannot answer requests: it loads or drains, or its model failed to load."""

    state: State
    progress: ProgressBody | None
