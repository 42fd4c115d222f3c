"""The native protocol: /generate, /prompt, /requests/{id}/cancel."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response

from bots.events import Delta, Done, Replace, Start
from server.http import sse
from server.http.errors import ApiError, responses
from server.worker.answer import collect
from server.worker.event_stream import EventStream, final_error
from server.worker.routes.deps import CallDep, WorkerDep, authorized
from server.worker.schema import (
    CancelResponse,
    GenerateRequest,
    GenerateResponse,
    PromptRequest,
    PromptResponse,
    StreamEvents,
    TimingsBody,
    UsageBody,
)
from server.worker.ticket import Queued, Ticket, TicketEvent
from server.worker.worker import Worker

router = APIRouter(tags=["native"], dependencies=[authorized])

_STREAM = {
    "description": "The joined answer; a stream of events (see `StreamEvents`) by default.",
    "content": {sse.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/StreamEvents"}}},
}
EXTRA_SCHEMAS = [StreamEvents]
"""Models of events for the OpenAPI document; no endpoint has them as a body."""


@router.post(
    "/generate",
    response_model=GenerateResponse,
    responses={200: _STREAM, **responses(400, 401, 413, 422, 429, 500, 502, 503, 504)},
)
async def generate(
    body: GenerateRequest, request: Request, worker: WorkerDep, call: CallDep
) -> Response | GenerateResponse:
    """Answer a conversation, streamed unless `stream` is false."""
    worker.check_ready()
    worker.runner.check_capacity()
    prepared = await worker.prepare(body.all_messages(), body.params)
    ticket = worker.runner.submit(prepared, call)
    if body.stream:
        return EventStream(_frames(ticket, worker), ticket)
    [answer] = await collect(request, ticket)
    assert answer.done is not None
    return GenerateResponse(
        id=ticket.id,
        model=worker.name,
        text=answer.text,
        reasoning=answer.reasoning or None,
        finish_reason=answer.done.finish_reason,
        usage=UsageBody.of(answer.usage),
        timings=timings(ticket, answer.done),
    )


def timings(ticket: Ticket, done: Done) -> TimingsBody:
    """The `timings` of a finished request."""
    return TimingsBody.model_validate(ticket.timings.summary(done.usage.completion_tokens))


async def _frames(ticket: Ticket, worker: Worker) -> AsyncIterator[bytes]:
    """The events of a request as frames; those that carry text are numbered from 1."""
    number = 0
    try:
        async for event in ticket.events():
            if data := _frame(event, ticket, worker, number + 1):
                number += isinstance(event, Delta | Replace)
                yield data
    # The status 200 is sent already, so every failure becomes the last event.
    except Exception as error:  # noqa: BLE001
        yield sse.frame(final_error(error, ticket), "error")


def _frame(event: TicketEvent, ticket: Ticket, worker: Worker, number: int) -> bytes | None:
    """The frame of an event, or None for one that the native protocol does not have.

    Built from dicts, not from the models of `server.worker.schema`: this runs for every token, and
    a model costs several times as much.
    """
    match event:
        case Delta():
            named = {"text": event.text, "reasoning": event.reasoning}
            data = {name: text for name, text in named.items() if text}
            return sse.frame(data, "delta", number) if data else None
        case Replace():
            thought = {} if event.reasoning is None else {"reasoning": event.reasoning}
            return sse.frame({"text": event.text, **thought}, "replace", number)
        case Start():
            return sse.frame(
                {
                    "id": ticket.id,
                    "model": worker.name,
                    "prompt_tokens": event.prompt_tokens,
                    "queue_ms": ticket.timings.queue_ms(),
                    "dropped_turns": event.dropped_turns,
                },
                "start",
            )
        case Done():
            return sse.frame(
                {
                    "finish_reason": event.finish_reason,
                    "usage": UsageBody.of(event.usage).model_dump(),
                    "timings": timings(ticket, event).model_dump(),
                },
                "done",
            )
        case Queued():
            return sse.frame({"id": ticket.id, "position": event.position}, "queued")
    return None


@router.post("/prompt", responses=responses(400, 401, 413, 422, 500, 503))
async def prompt(body: PromptRequest, worker: WorkerDep) -> PromptResponse:
    """The exact prompt of the model for a conversation: text, token ids and their count."""
    prepared = await worker.prepare(body.all_messages(), body.params)
    return PromptResponse(
        prompt=prepared.inputs.prompt,
        token_ids=prepared.inputs.token_ids,
        count=prepared.prompt_tokens,
        dropped_turns=prepared.dropped_turns,
    )


@router.post("/requests/{request_id}/cancel", responses=responses(401, 404, 422))
async def cancel(request_id: str, worker: WorkerDep) -> CancelResponse:
    """Stop a request, running or waiting. Its stream ends with `cancelled`."""
    if not worker.runner.cancel(request_id):
        raise ApiError(
            404,
            "request_not_found",
            "No request of this id is running or waiting; it may have ended.",
            param="request_id",
        )
    return CancelResponse(id=request_id, cancelled=True)
