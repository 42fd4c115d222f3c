"""OpenAI's dialect: the model list, and what chat and text completions share."""

import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter

from bots.errors import Unsupported
from bots.events import FinishReason, Usage
from server.http import sse
from server.http.errors import ApiError, responses
from server.worker.answer import Answer
from server.worker.routes.deps import WorkerDep, authorised
from server.worker.routes.openai.schema import ModelList, ModelObject, OpenAIUsage
from server.worker.ticket import Ticket
from server.worker.worker import Worker

router = APIRouter(prefix="/v1", tags=["openai"], dependencies=[authorised])

_STARTED = int(time.time())
_HELD_BACK = 32
"""Characters a rewriting model's stream stays behind: its text can be changed only while unsent."""
STREAM = {"content": {sse.MEDIA_TYPE: {}}, "description": "The answer, or a stream of chunks"}
STATUSES = responses(400, 401, 404, 413, 422, 429, 500, 502, 503, 504)


@router.get("/models", responses=responses(401))
async def models(worker: WorkerDep) -> ModelList:
    """The model of this worker, as a list."""
    return ModelList(data=[ModelObject(id=worker.name, created=_STARTED)])


@router.get("/models/{model_id:path}", responses=responses(401, 404))
async def model(model_id: str, worker: WorkerDep) -> ModelObject:
    """The model of this worker."""
    check_model(model_id or "/", worker)
    return ModelObject(id=worker.name, created=_STARTED)


def check_model(model_id: str | None, worker: Worker) -> None:
    """Raise 404 for another model than this worker's. None and "" mean this one."""
    if model_id and model_id not in (worker.name, worker.config.pretrained_path):
        raise ApiError(
            404,
            "model_not_found",
            f"This worker serves {worker.name!r}, not {model_id!r}.",
            param="model",
        )


def allowed(params: dict[str, Any], worker: Worker) -> dict[str, Any]:
    """Refuse, by name, a setting that this bot does not have: it must not silently do nothing."""
    for name in params:
        if not worker.supports(name):
            raise Unsupported(f"{name}: this model has no such setting.", param=name)
    return params


def scored(count: int, worker: Worker) -> dict[str, Any]:
    """The settings that give log-probabilities: those of tokens that are decoded one at a time.

    A model may answer by beams unless told otherwise, which nobody can in this dialect.
    """
    return {"logprobs": count} | ({"num_beams": 1} if worker.supports("num_beams") else {})


def finish(reason: FinishReason) -> str:
    """OpenAI has no word for a cancelled answer; it is one that stopped."""
    return "stop" if reason == "cancelled" else reason


def usage_of(*usages: Usage) -> OpenAIUsage:
    """Counts of one request, or the sum of several prompts'."""
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

    OpenAI's stream has no word for "replace". A model that rewrites its text does so near the
    end, so the pieces stay `held_back` characters behind; should it still change what was sent,
    the stream fails rather than lie.
    """

    def __init__(self, held_back: int) -> None:
        self._held_back = held_back
        self._sent = ""

    def advance(self, text: str, *, final: bool) -> str:
        """What is to be sent now that the whole answer so far is `text`. Raises ApiError."""
        if not text.startswith(self._sent):
            if not final and self._sent.startswith(text):
                return ""
            raise ApiError(
                500, "answer_rewritten", "The model changed text that had already been sent."
            )
        end = len(text) if final else len(text) - self._held_back
        piece = text[len(self._sent) : end]
        self._sent += piece
        return piece


async def answers_of(ticket: Ticket, worker: Worker) -> AsyncIterator[tuple[Answer, str]]:
    """The answer so far and the text to append, each time there is news.

    The token ids and log-probabilities of the answer are those since the last time. Beams change
    their minds at any time, so their answer comes in one piece at its end.
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
