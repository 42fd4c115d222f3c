"""llama.cpp's completion requests and chunks, as settings and steps.

Functions of JSON; knows neither the binding nor a socket.
"""

from collections.abc import Callable, Sequence
from typing import Any

from bots.errors import BotError, ContextLengthExceeded, InvalidRequest
from bots.events import FinishReason, Step, TokenLogprob, TopLogprob, Usage
from bots.sampling import SamplingSettings

# The order in which transformers applies them, so that the same settings mean the same, but for
# top-k, which keeps the same tokens before a temperature and leaves fewer to the others.
_SAMPLERS = ["penalties", "top_k", "temperature", "top_p", "min_p", "typ_p"]
# Of the most probable token alone nothing needs the whole vocabulary's probabilities.
_GREEDY = {"samplers": ["penalties", "top_k"], "top_k": 1}


def request_of(
    token_ids: Sequence[int],
    settings: SamplingSettings,
    context: int,
    shown: Sequence[str] = (),
) -> dict[str, Any]:
    """The completion request for these ids and settings, in a context of so many tokens.

    Special tokens have no text, but for those `shown`. Stop texts are not in it: `chat()` looks
    for them, in the same way for every bot.
    """
    ask: dict[str, Any] = {
        "prompt": list(token_ids),
        "stream": True,
        "max_tokens": settings.max_new_tokens,
        "samplers": _SAMPLERS,
        "temperature": settings.temperature,
        "top_k": settings.top_k,
        "top_p": settings.top_p,
        "min_p": settings.min_p,
        "typical_p": settings.typical_p,
        "repeat_penalty": settings.repetition_penalty,
        "presence_penalty": settings.presence_penalty,
        "frequency_penalty": settings.frequency_penalty,
        "repeat_last_n": context,
        "ignore_eos": settings.ignore_eos,
        "preserved_tokens": list(shown),
        "cache_prompt": True,
        "return_progress": True,  # a chunk for each batch of the prompt, at which to stop
        "return_tokens": True,
        "verbose": True,  # adds llama.cpp's own form of the chunk, which has ids and their count
    }
    if settings.temperature == 0:
        ask |= _GREEDY
    if settings.seed is not None:
        ask["seed"] = settings.seed
    if settings.logprobs is not None:
        ask["logprobs"] = max(settings.logprobs, 1)  # 0 would not even give the token's own
    return ask


def score_request(before: Sequence[int], choice: int, candidates: int) -> dict[str, Any]:
    """The request, in llama.cpp's own form, for the most probable tokens after others.

    `choice` is the only token that can be chosen, and so the one whose log-probability comes in
    any case: they are taken before the choice and know nothing of it.
    """
    return _GREEDY | {
        "prompt": list(before),
        "n_predict": 1,
        "n_probs": max(candidates, 1),
        "logit_bias": [[choice, 1e9]],
        "temperature": 0,
        "cache_prompt": True,
    }


def scored_of(answer: dict[str, Any], token_id: int, top: int) -> TokenLogprob | None:
    """A token's score, and the `top` candidates, in the answer to a `score_request`.

    None where it is not there: llama.cpp is silent about a choice that ends inside a character.
    """
    for found in answer.get("completion_probabilities", ()):
        for entry in (found, *found["top_logprobs"]):
            if entry["id"] == token_id:
                return _scored(entry, found["top_logprobs"][:top])
    return None


class ChunkReader:
    """The chunks of one answer, one after the other, as steps.

    A character of several tokens comes as one chunk with the last token's id only. `tokenize`
    finds the others again; where it finds something else, the ids of that step are incomplete.
    """

    def __init__(self, tokenize: Callable[[str], list[int]], logprobs: int | None = None) -> None:
        self._tokenize = tokenize
        self._top = logprobs
        self._counted = 0
        self.finished = False

    def step(self, chunk: dict[str, Any]) -> Step | None:
        """The step of a chunk, None for news about the prompt. Raises BotError subclasses."""
        if "error" in chunk:
            raise error_of(chunk["error"])
        choice = chunk["choices"][0]
        own = chunk.get("__verbose", {})
        if choice["finish_reason"] is None and "prompt_progress" in chunk:
            return None
        text: str = choice["text"]
        return Step(
            text=text,
            token_ids=self._ids(text, own.get("tokens", []), own.get("tokens_predicted", 0)),
            logprobs=self._logprobs(choice.get("logprobs")),
            finish_reason=self._reason(choice["finish_reason"]),
            usage=_usage(chunk.get("usage")),
        )

    def _ids(self, text: str, given: list[int], predicted: int) -> tuple[int, ...]:
        new, self._counted = predicted - self._counted, predicted
        if text and given and new > len(given):
            again = self._tokenize(text)
            if len(again) == new and again[-1] == given[-1]:
                return tuple(again)
        return tuple(given)

    def _logprobs(self, found: dict[str, Any] | None) -> tuple[TokenLogprob, ...]:
        if self._top is None or not found:
            return ()
        return tuple(
            _scored(entry, entry["top_logprobs"][: self._top]) for entry in found["content"]
        )

    def _reason(self, given: str | None) -> FinishReason | None:
        if given is None:
            return None
        self.finished = True
        return "length" if given == "length" else "stop"


def _scored(entry: dict[str, Any], candidates: Sequence[dict[str, Any]]) -> TokenLogprob:
    top = tuple(TopLogprob(one["id"], one["token"], one["logprob"]) for one in candidates)
    return TokenLogprob(entry["id"], entry["token"], entry["logprob"], top)


def _usage(given: dict[str, Any] | None) -> Usage | None:
    if given is None:
        return None
    cached = given.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    return Usage(given["prompt_tokens"], given["completion_tokens"], cached)


def error_of(given: dict[str, Any]) -> BotError:
    """llama.cpp's error object as one of ours."""
    message, kind = str(given.get("message", "no reason given")), given.get("type")
    if kind == "exceed_context_size_error":
        return ContextLengthExceeded(int(given["n_prompt_tokens"]), int(given["n_ctx"]))
    if kind == "invalid_request_error":
        return InvalidRequest(f"llama.cpp: {message}")
    return BotError(f"llama.cpp: {message}")
