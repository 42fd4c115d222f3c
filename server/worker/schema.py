"""The bodies of the native wire. The OpenAPI document, and so the page's types, come from here.

Unknown fields are refused: a misspelt name must not silently do nothing.
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
"""Text that can be encoded: JSON lets lone surrogates through, tokenizers do not."""

State = Literal["loading", "ready", "draining", "failed"]


class Strict(BaseModel):
    """A request body: nothing beyond its fields."""

    model_config = ConfigDict(extra="forbid")


class ChatMessage(Strict):
    """One turn of a conversation."""

    role: Role
    content: Text

    def to_message(self) -> Message:
        """The bot's form of it."""
        return Message(self.role, self.content)


class PromptRequest(Strict):
    """A conversation for the model."""

    messages: list[ChatMessage] = Field(min_length=1)
    params: dict[str, Any] = Field(
        default_factory=dict, description="Settings of this request; their schema is `/params`."
    )
    system: Text | None = Field(
        None, description="System text; takes the place of one in `messages`."
    )

    def all_messages(self) -> list[Message]:
        """The messages, the system text in front."""
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
        """The wire form of a bot's usage."""
        return cls(**asdict(usage))


class TimingsBody(BaseModel):
    """Milliseconds since the request arrived, and the decode rate after the first token."""

    queue_ms: int
    ttft_ms: int | None
    total_ms: int
    tokens_per_second: float | None


class QueuedEvent(BaseModel):
    """`event: queued`. The request waits; position 1 is next."""

    id: str
    position: int


class StartEvent(BaseModel):
    """`event: start`. The model begins with the prompt."""

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
    """`event: replace`. The whole answer so far, because sent text has changed.

    `reasoning`, where it is there, is the whole reasoning, which has changed as well.
    """

    text: str
    reasoning: str | None = None


class DoneEvent(BaseModel):
    """`event: done`. The answer is complete."""

    finish_reason: FinishReason
    usage: UsageBody
    timings: TimingsBody


class StreamEvents(BaseModel):
    """The data of each event of a stream, by the event's name. One of `done`, `error` is last."""

    queued: QueuedEvent
    start: StartEvent
    delta: DeltaEvent
    replace: ReplaceEvent
    done: DoneEvent
    error: ErrorBody


class GenerateResponse(BaseModel):
    """The joined stream."""

    id: str
    model: str
    text: str
    reasoning: str | None
    finish_reason: FinishReason
    usage: UsageBody
    timings: TimingsBody


class PromptResponse(BaseModel):
    """Exactly what the model would be given."""

    prompt: str
    token_ids: list[int] | None
    count: int | None
    dropped_turns: int


class CancelResponse(BaseModel):
    """The request was told to stop."""

    id: str
    cancelled: bool


class ProgressBody(BaseModel):
    """How far loading is; `fraction` is null where it cannot be known."""

    stage: str
    fraction: float | None


class QueueBody(BaseModel):
    """Places taken and places there are."""

    running: int
    waiting: int
    max_running: int
    max_queue: int


class Capabilities(BaseModel):
    """What this bot can do beyond plain answers."""

    stream: bool = True
    beam: bool = False
    logprobs: bool = False
    tools: bool = False
    system: bool = True
    token_prompts: bool = False


class LimitsBody(BaseModel):
    """What a request may ask for at most."""

    max_new_tokens: int
    max_messages: int
    max_body_bytes: int
    request_timeout_s: float


class MemoryBody(BaseModel):
    """Bytes that the model holds: its weights, keys and values of requests, and the most that its
    device ever held. Null where not known."""

    weights: int | None = None
    cache: int | None = None
    peak: int | None = None


class InfoResponse(BaseModel):
    """What runs here. Facts of the model are null until it is loaded, or where unknown."""

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
    """The process lives."""

    status: Literal["ok"] = "ok"


class ReadyResponse(BaseModel):
    """The worker can answer."""

    state: State


class NotReadyResponse(ErrorBody):
    """The worker cannot answer yet, or no more."""

    state: State
    progress: ProgressBody | None
