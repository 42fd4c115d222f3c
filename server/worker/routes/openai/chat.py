"""OpenAI's chat completions: /v1/chat/completions."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from bots.errors import InvalidRequest
from bots.events import TokenLogprob
from server.http import sse
from server.worker.answer import collect
from server.worker.event_stream import EventStream, final_error
from server.worker.routes.deps import CallDep, WorkerDep, authorized
from server.worker.routes.openai.schema import (
    AssistantMessage,
    ChatChoice,
    ChatCompletion,
    ChatCompletionRequest,
    ChatLogprobs,
    ChatToken,
    TopToken,
)
from server.worker.routes.openai.shared import (
    STATUSES,
    STREAM,
    check_model,
    check_supported,
    finish_reason,
    logprob_settings,
    stream_answers,
    sum_usage,
)
from server.worker.ticket import Ticket
from server.worker.worker import Worker

router = APIRouter(prefix="/v1", tags=["openai"], dependencies=[authorized])


def _settings(body: ChatCompletionRequest, worker: Worker) -> dict[str, Any]:
    """The settings of a request by the names that bots use. Raises InvalidRequest."""
    settings = body.params()
    limit = body.max_completion_tokens if body.max_tokens is None else body.max_tokens
    if limit is not None:
        settings["max_new_tokens"] = limit
    if body.top_logprobs is not None and not 0 <= body.top_logprobs <= 20:
        raise InvalidRequest("top_logprobs: from 0 to 20.", param="top_logprobs")
    if body.logprobs:
        settings |= logprob_settings(body.top_logprobs or 0, worker)
    elif body.top_logprobs is not None:
        raise InvalidRequest("top_logprobs: set logprobs to true as well.", param="top_logprobs")
    return settings


@router.post(
    "/chat/completions", response_model=ChatCompletion, responses={200: STREAM, **STATUSES}
)
async def chat_completions(
    body: ChatCompletionRequest, request: Request, worker: WorkerDep, call: CallDep
) -> Response | ChatCompletion:
    """Answer a conversation."""
    check_model(body.model, worker)
    worker.check_ready()
    worker.runner.check_capacity()
    params = check_supported(_settings(body, worker), worker)
    messages = [message.to_message() for message in body.messages]
    prepared = await worker.prepare(messages, params)
    ticket = worker.runner.submit(prepared, call)
    if body.stream:
        return EventStream(_chat_frames(ticket, worker, body), ticket)
    [answer] = await collect(request, ticket)
    assert answer.done is not None
    message = AssistantMessage(content=answer.text, reasoning_content=answer.reasoning or None)
    choice = ChatChoice(
        message=message,
        logprobs=_chat_logprobs(answer.logprobs) if body.logprobs else None,
        finish_reason=finish_reason(answer.done.finish_reason),
    )
    return ChatCompletion(
        id=ticket.id,
        created=int(time.time()),
        model=worker.name,
        choices=[choice],
        usage=sum_usage(answer.usage),
    )


def _chat_logprobs(logprobs: list[TokenLogprob]) -> ChatLogprobs:
    """Log-probabilities in the format of chat completions."""

    def top(text: str, logprob: float) -> dict[str, Any]:
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    return ChatLogprobs(
        content=[
            ChatToken(
                **top(item.text, item.logprob or 0.0),
                top_logprobs=[TopToken(**top(token.text, token.logprob)) for token in item.top],
            )
            for item in logprobs
        ]
    )


async def _chat_frames(
    ticket: Ticket, worker: Worker, body: ChatCompletionRequest
) -> AsyncIterator[bytes]:
    """The chunks of a streamed chat completion: role, text, finish reason, usage, `[DONE]`."""
    head = {
        "id": ticket.id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": worker.name,
    }

    def chunk(delta: Mapping[str, Any], reason: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return sse.frame({**head, "choices": [choice]})

    try:
        yield chunk({"role": "assistant", "content": ""})
        async for answer, piece in stream_answers(ticket, worker):
            delta = {"content": piece, "reasoning_content": answer.reasoning}
            delta = {name: text for name, text in delta.items() if text}
            scored = body.logprobs and answer.logprobs
            if delta or scored:
                logprobs = _chat_logprobs(answer.logprobs).model_dump() if scored else None
                yield chunk(delta, logprobs=logprobs)
            if answer.done:
                yield chunk({}, finish_reason(answer.done.finish_reason))
                if body.include_usage:
                    usage = sum_usage(answer.usage).model_dump()
                    yield sse.frame({**head, "choices": [], "usage": usage})
                yield sse.DONE
    # The status 200 is sent already, so every failure becomes the last event, without [DONE].
    except Exception as error:  # noqa: BLE001
        yield sse.frame(final_error(error, ticket))
