"""What goes into a bot's `chat()` and what comes out of it.

Plain frozen data; this module knows neither models nor HTTP.
"""

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class TopLogprob:
    """One candidate token: its id, its text alone, and its natural-log probability."""

    token_id: int
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The token at one position and the most probable candidates there.

    `logprob` is None only for the first token of a prompt, which nothing predicts.
    """

    token_id: int
    text: str
    logprob: float | None
    top: tuple[TopLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request. None where the bot cannot count its prompt.

    `cached_tokens` are prompt tokens whose keys and values were reused and not computed again.
    """

    prompt_tokens: int | None = None
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One output of `ChatBot.generate`: what is new since the step before.

    A bot that has tokens gives `token_ids` and lets `get_response` decode them; a bot that has
    text gives `text`. `finish_reason` belongs to the last step, `usage` overrides what `chat()`
    counts itself, `prompt_logprobs` and `cached_tokens` come once, before the first new token.

    With `whole`, the step's `token_ids` or `text` are the whole answer so far, in place of those
    of all earlier steps: a beam search that changed its mind. Such a step has no `logprobs`, and
    no `reasoning` but what stands in tags in its text.
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
    """The model begins with the prompt. `dropped_turns`: messages cut to fit the context."""

    prompt_tokens: int | None
    dropped_turns: int = 0


@dataclass(frozen=True, slots=True)
class PromptScored:
    """Log-probabilities of the prompt's own tokens; only where a request asks for them."""

    logprobs: tuple[TokenLogprob, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the answer: `text` and `reasoning` are appended to what was sent before."""

    text: str = ""
    reasoning: str = ""
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Replace:
    """The whole answer so far, because text that was already sent has changed.

    `reasoning` and `token_ids` are the whole of theirs; None where they stay as they were sent.
    """

    text: str
    reasoning: str | None = None
    token_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is complete; always the last event."""

    finish_reason: FinishReason
    usage: Usage = field(default_factory=Usage)


Event = Start | PromptScored | Delta | Replace | Done
