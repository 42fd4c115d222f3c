"""The endpoints that ChatZoo, ChatGLM and MOSS had in 2023, so that old clients work unchanged.

`POST /` takes the bodies of all of them: ChatZoo's (a bare list of messages, or `query`), ChatGLM's
(`history`), EduChat's and MOSS's (`prompt` alone; the worker remembers the conversation by `uid`).
Source: the README files of OpenLMLab/ChatZoo, THUDM/ChatGLM-6B, icalk-nlp/EduChat, OpenLMLab/MOSS.

Errors have a real HTTP status and the common body here too, where those servers answered 200. For
clients of ChatZoo, its two fields `status` and `response` are added to the body.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import Discriminator, Tag

from bots.errors import BotError
from server.http.errors import ApiError, api_error, responses
from server.worker.routes.deps import CallDep, WorkerDep, authorized
from server.worker.routes.legacy.schema import (
    AnyQuery,
    ChatGLMQuery,
    ChatZooAnswer,
    ChatZooQuery,
    LegacyMessages,
    MossQuery,
    PairAnswer,
)
from server.worker.routes.legacy.shared import STATUSES, Context, answer_pairs

router = APIRouter(tags=["compat"], dependencies=[authorized])


@router.post("/", responses=STATUSES, response_model_exclude_none=True)
async def ask(
    body: Annotated[AnyQuery, Body()], request: Request, worker: WorkerDep, call: CallDep
) -> ChatZooAnswer | PairAnswer:
    """Answer a client of ChatZoo, ChatGLM, EduChat or MOSS; told apart by the body's shape."""
    context = Context(request, worker, call)
    match body:
        case ChatGLMQuery():
            return await answer_pairs(context, body, body.history, None)
        case MossQuery():
            # The conversation is locked until the answer is stored: the next question needs it.
            async with worker.conversations.turn(body.uid) as (uid, pairs):
                return await answer_pairs(context, body, pairs, uid)
        case ChatZooQuery():
            return await _answer_chatzoo(context, body)
        case _:
            return await _answer_chatzoo(context, ChatZooQuery(query=body))


async def _answer_chatzoo(context: Context, body: ChatZooQuery) -> ChatZooAnswer:
    try:
        if body.prompt is not None:
            prepared = await context.worker.prepare_text(body.prompt, body.params)
        else:
            messages = [message.to_message() for message in body.query]
            prepared = await context.worker.prepare(messages, body.params)
        return ChatZooAnswer(response=(await context.answer(prepared)).text)
    except (ApiError, BotError) as error:
        failure = api_error(error, context.call.id)
        failure.extra = {"status": 1, "response": None}
        raise failure from error


@router.post("/parameters", responses=responses(401, 503))
async def parameters(worker: WorkerDep) -> dict[str, Any]:
    """ChatZoo: the settings with their defaults."""
    return worker.settings({}).model_dump()


@router.post(
    "/get_prompt",
    response_class=PlainTextResponse,
    responses=responses(400, 401, 413, 422, 500, 503),
)
async def get_prompt(
    body: Annotated[
        Annotated[LegacyMessages, Tag("list")] | Annotated[ChatZooQuery, Tag("query")],
        Discriminator(lambda body: "list" if isinstance(body, list) else "query"),
    ],
    worker: WorkerDep,
) -> Response:
    """ChatZoo: the text that the model would be given."""
    messages = body.query if isinstance(body, ChatZooQuery) else body
    prepared = await worker.prepare([message.to_message() for message in messages], {})
    return PlainTextResponse(prepared.inputs.prompt)
