"""Settings to llama.cpp's completion request, and its chunks to steps.

Knows JSON; knows neither the binding nor a socket.
"""

from collections.abc import Callable, Sequence
from typing import Any

from bots.backends.llamacpp.client import error_from
from bots.events import FinishReason, Step, TokenLogprob, TopLogprob, Usage
from bots.sampling import SamplingSettings

# The order in which transformers applies them, so that equal settings mean the same. Top-k comes
# before the temperature: it keeps the same tokens there, and the samplers after it have fewer to
# sort.
_SAMPLERS = ["penalties", "top_k", "temperature", "top_p", "min_p", "typ_p"]

GREEDY = {"samplers": ["penalties", "top_k"], "top_k": 1}
"""Sampling that keeps the most probable token, without a softmax over the whole vocabulary."""


def completion_request(
    token_ids: Sequence[int],
    settings: SamplingSettings,
    context: int,
    visible_tokens: Sequence[str] = (),
) -> dict[str, Any]:
    """The streaming completion request for ids and settings, in a context of `context` tokens.

    Special tokens have no text in the answer, apart from `visible_tokens`. Stop texts are not
    sent: `chat()` looks for them, in the same way for every bot.
    """
    request: dict[str, Any] = {
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
        "repeat_last_n": context,  # penalties count all tokens, as those of transformers do
        "ignore_eos": settings.ignore_eos,
        "preserved_tokens": list(visible_tokens),
        "cache_prompt": True,
        "return_progress": True,  # a chunk after each batch of the prompt, where a stop can act
        "return_tokens": True,
        "verbose": True,  # adds llama.cpp's own form of each chunk: the ids and their count
    }
    if settings.temperature == 0:
        request |= GREEDY
    if settings.seed is not None:  # without, llama.cpp draws one
        request["seed"] = settings.seed
    if settings.logprobs is not None:
        request["logprobs"] = max(settings.logprobs, 1)  # 0 would leave out the token's own
    return request


class ChunkReader:
    """The chunks of one answer as steps. `finished` becomes true with the finish reason.

    llama.cpp sends a character of several tokens as one chunk, with the last token's id only.
    `tokenize` finds the others; where its ids do not fit, those of that step are incomplete.
    """

    def __init__(self, tokenize: Callable[[str], list[int]], logprobs: int | None = None) -> None:
        self._tokenize = tokenize
        self._top = logprobs
        self._predicted = 0  # tokens that the chunks so far stand for
        self.finished = False

    def step(self, chunk: dict[str, Any]) -> Step | None:
        """The step of a chunk; None for the progress of the prompt. Raises BotError subclasses."""
        if "error" in chunk:
            raise error_from(chunk["error"])
        choice = chunk["choices"][0]
        verbose = chunk.get("__verbose", {})
        if choice["finish_reason"] is None and "prompt_progress" in chunk:
            return None
        text: str = choice["text"]
        return Step(
            text=text,
            token_ids=self._ids(
                text, verbose.get("tokens", []), verbose.get("tokens_predicted", 0)
            ),
            logprobs=self._logprobs(choice.get("logprobs")),
            finish_reason=self._reason(choice["finish_reason"]),
            usage=_usage(chunk.get("usage")),
        )

    def _ids(self, text: str, given: list[int], predicted: int) -> tuple[int, ...]:
        """The ids of a chunk's text, of which `predicted` counts all so far."""
        new, self._predicted = predicted - self._predicted, predicted
        if text and given and new > len(given):
            # One text may have several tokenizations. Only one with the right number of ids and
            # the right last id is taken; an incomplete list is better than a wrong one.
            ids = self._tokenize(text)
            if len(ids) == new and ids[-1] == given[-1]:
                return tuple(ids)
        return tuple(given)

    def _logprobs(self, logprobs: dict[str, Any] | None) -> tuple[TokenLogprob, ...]:
        if self._top is None or not logprobs:
            return ()
        return tuple(
            token_logprob(entry, entry["top_logprobs"][: self._top])
            for entry in logprobs["content"]
        )

    def _reason(self, given: str | None) -> FinishReason | None:
        if given is None:
            return None
        self.finished = True
        return "length" if given == "length" else "stop"


def token_logprob(entry: dict[str, Any], candidates: Sequence[dict[str, Any]]) -> TokenLogprob:
    """The log-probability of llama.cpp's entry of a token, with these candidates."""
    top = tuple(TopLogprob(item["id"], item["token"], item["logprob"]) for item in candidates)
    return TokenLogprob(entry["id"], entry["token"], entry["logprob"], top)


def _usage(given: dict[str, Any] | None) -> Usage | None:
    if given is None:
        return None
    cached = given.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    return Usage(given["prompt_tokens"], given["completion_tokens"], cached)
