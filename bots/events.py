"""Messages, steps and events: the input and output of a bot, as frozen data classes.

`ChatBot.chat` takes messages; `generate` yields steps, and `chat` yields the events made of them.
"""

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class TopLogprob:
    """A candidate token: its id, its text and its log-probability (natural logarithm)."""

    token_id: int
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The token at one position, and the most probable candidates there.

    `logprob` is None only for the first token of a prompt, which has no prediction.
    """

    token_id: int
    text: str
    logprob: float | None
    top: tuple[TopLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request. `prompt_tokens` is None for a bot without a tokenizer.

    `cached_tokens` counts the prompt tokens found in the prefix cache.
    """

    prompt_tokens: int | None = None
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One output of `ChatBot.generate`: the part of the answer since the previous step.

    A bot with a tokenizer sets `token_ids`, which `get_response` decodes; other bots set `text`.
    `finish_reason` is set on the last step. `usage` overrides the counts of `chat`.
    `prompt_logprobs` and `cached_tokens` are set once, before the first new token.

    With `whole`, `token_ids` and `text` are the complete answer so far and replace all earlier
    steps, as when another beam becomes the best. Such a step has no `logprobs`, and its reasoning
    is between tags in its text.
    """

    text: str = ""
    reasoning: str = ""
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_logprobs: tuple[TokenLogprob, ...] | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    cached_tokens: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """The request starts to run. `dropped_turns` counts the messages left out of the prompt."""

    prompt_tokens: int | None
    dropped_turns: int = 0


@dataclass(frozen=True, slots=True)
class PromptScored:
    """Log-probabilities of the prompt's tokens; only if the request asks for them."""

    logprobs: tuple[TokenLogprob, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """New output: `text` and `reasoning` are appended to those sent before."""

    text: str = ""
    reasoning: str = ""
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Replace:
    """The complete answer so far, which replaces the text sent before.

    `reasoning` and `token_ids` are complete as well, or None where they have not changed.
    """

    text: str
    reasoning: str | None = None
    token_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The end of the answer; always the last event."""

    finish_reason: FinishReason
    usage: Usage = field(default_factory=Usage)


Event = Start | PromptScored | Delta | Replace | Done
