"""Parts that OpenAI's chat and text completions have in common."""

from collections.abc import AsyncIterator
from typing import Any

from bots.errors import Unsupported
from bots.events import FinishReason, Usage
from server.http import sse
from server.http.errors import ApiError, responses
from server.worker.answer import Answer
from server.worker.routes.openai.schema import OpenAIUsage
from server.worker.ticket import Ticket
from server.worker.worker import Worker

STREAM = {"content": {sse.MEDIA_TYPE: {}}, "description": "The answer, or a stream of chunks"}
STATUSES = responses(400, 401, 404, 413, 422, 429, 500, 502, 503, 504)

_HELD_BACK = 32
"""Characters that the stream of a rewriting model stays behind its text, which can change only
while it is unsent. What models rewrite at the end of a text (quotes, dashes, a tag) is shorter."""


def check_model(model_id: str | None, worker: Worker) -> None:
    """Raise ApiError 404 unless `model_id` names this worker's model, or is None or empty."""
    if model_id and model_id not in (worker.name, worker.config.pretrained_path):
        raise ApiError(
            404,
            "model_not_found",
            f"This worker serves {worker.name!r}, not {model_id!r}.",
            param="model",
        )


def check_supported(params: dict[str, Any], worker: Worker) -> dict[str, Any]:
    """Return the settings if the bot has them all. Raises Unsupported with the name of another.

    Clients rely on a setting that they sent, so one that would be ignored is an error.
    """
    for name in params:
        if not worker.supports(name):
            raise Unsupported(f"{name}: this model has no such setting.", param=name)
    return params


def logprob_settings(count: int, worker: Worker) -> dict[str, Any]:
    """The settings for log-probabilities of `count` candidates per token.

    Beam search gives none, and OpenAI's requests have no field for the number of beams, so it is
    set to 1 where the model's default may be higher.
    """
    return {"logprobs": count} | ({"num_beams": 1} if worker.supports("num_beams") else {})


def finish_reason(reason: FinishReason) -> str:
    """OpenAI's word for a finish reason. It has none for `cancelled`, which becomes `stop`."""
    return "stop" if reason == "cancelled" else reason


def sum_usage(*usages: Usage) -> OpenAIUsage:
    """Token counts of one request: the sum over its prompts."""
    prompt = sum(usage.prompt_tokens or 0 for usage in usages)
    completion = sum(usage.completion_tokens for usage in usages)
    return OpenAIUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details={"cached_tokens": sum(usage.cached_tokens for usage in usages)},
    )


class AppendOnly:
    """Turns a text that may be rewritten into pieces that are only ever appended.

    OpenAI's stream has no event that replaces text. Models that rewrite do so near the end of the
    text, so the pieces stay `held_back` characters behind it.
    """

    def __init__(self, held_back: int) -> None:
        self._held_back = held_back
        self._sent = ""

    def advance(self, text: str, *, final: bool) -> str:
        """The piece to send when the whole answer so far is `text`; all the rest if `final`.

        Raises ApiError if the text no longer begins with what was sent: a stream that fails is
        better than an answer that the model did not give.
        """
        if not text.startswith(self._sent):
            if not final and self._sent.startswith(text):
                return ""  # it may grow back to what was sent
            raise ApiError(
                500, "answer_rewritten", "The model changed text that had already been sent."
            )
        end = len(text) if final else len(text) - self._held_back
        piece = text[len(self._sent) : end]
        self._sent += piece
        return piece


async def stream_answers(ticket: Ticket, worker: Worker) -> AsyncIterator[tuple[Answer, str]]:
    """The answer so far and the piece of text to append, at each event of the ticket.

    Reasoning, token ids and log-probabilities of the answer are those since the previous yield.
    Beam search may replace the whole text at any step, so its answer is yielded at its end only.
    """
    answer = Answer()
    text = AppendOnly(_HELD_BACK if worker.bot.rewrites else 0)
    beams = getattr(ticket.prepared.settings, "num_beams", 1) > 1
    async for event in ticket.events():
        answer.apply(event)
        if beams and answer.done is None:
            continue
        yield answer, text.advance(answer.text, final=answer.done is not None)
        answer.reasoning, answer.token_ids, answer.logprobs = "", [], []
        answer.prompt_logprobs = ()
