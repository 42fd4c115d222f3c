"""The dialects of 2023, so that old clients work unchanged.

`POST /` speaks three: ChatZoo's (a bare list of messages, or `query`), ChatGLM's (`history`),
EduChat's and MOSS's (`prompt` alone, the worker remembering the conversation by `uid`).
Source: the README files of OpenLMLab/ChatZoo, THUDM/ChatGLM-6B, icalk-nlp/EduChat, OpenLMLab/MOSS.

A failure has a real status and the common error body here too; only ChatZoo's own two fields
(`status`, `response`) are added to it for its callers.
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from bots.chatbot import Prepared
from bots.errors import BotError, ContextLengthExceeded, InvalidRequest
from bots.events import Message, Role
from server.http.errors import ApiError, api_error, responses
from server.worker.answer import Answer, collect
from server.worker.routes.deps import CallDep, WorkerDep, authorised
from server.worker.schema import Text
from server.worker.ticket import Call
from server.worker.worker import Worker

router = APIRouter(tags=["compat"], dependencies=[authorised])

_ROLES: dict[str, Role] = {
    "HUMAN": "user",
    "BOT": "assistant",
    "SYSTEM": "system",
    "USER": "user",
    "ASSISTANT": "assistant",
}
STATUSES = responses(400, 401, 413, 422, 429, 500, 502, 503, 504)


class OldTurn(BaseModel):
    """ChatZoo's message: the role is HUMAN, BOT or SYSTEM."""

    role: Literal["HUMAN", "BOT", "SYSTEM", "user", "assistant", "system"]
    content: Text

    def to_message(self) -> Message:
        """The bot's form of it."""
        return Message(_ROLES[self.role.upper()], self.content)


Turns = Annotated[list[OldTurn], Field(min_length=1)]


class ChatZooQuery(BaseModel):
    """ChatZoo: a conversation, settings, and perhaps the finished prompt."""

    query: Turns
    params: dict[str, Any] = {}
    prompt: Text | None = None


class Sampling(BaseModel):
    """The settings that ChatGLM, EduChat and MOSS accept."""

    model_config = ConfigDict(extra="ignore")

    max_length: int | None = Field(None, ge=1, description="Tokens of prompt and answer together")
    top_p: float | None = None
    temperature: float | None = None

    def params(self) -> dict[str, Any]:
        """The settings that were given, but for `max_length`."""
        named = {"top_p": self.top_p, "temperature": self.temperature}
        return {name: value for name, value in named.items() if value is not None}


class ChatGLMQuery(Sampling):
    """ChatGLM: the question and the earlier pairs."""

    prompt: Text
    history: list[tuple[Text, Text]]


class MossQuery(Sampling):
    """EduChat and MOSS: the question; the conversation is remembered under `uid`."""

    prompt: Text
    uid: Text | None = None


def _dialect(body: Any) -> str:
    """Which caller this is, told by the shape of the body alone."""
    if isinstance(body, list):
        return "list"
    if isinstance(body, dict):
        return next((name for name in ("query", "history") if name in body), "prompt")
    if isinstance(body, ChatZooQuery):
        return "query"
    return "history" if isinstance(body, ChatGLMQuery) else "prompt"


AnyQuery = Annotated[
    Annotated[Turns, Tag("list")]
    | Annotated[ChatZooQuery, Tag("query")]
    | Annotated[ChatGLMQuery, Tag("history")]
    | Annotated[MossQuery, Tag("prompt")],
    Discriminator(_dialect),
]


class ChatZooAnswer(BaseModel):
    """ChatZoo's answer; `status` 0 is success."""

    status: Literal[0] = 0
    response: str


class PairAnswer(BaseModel):
    """The answer of ChatGLM's, EduChat's and MOSS's own servers."""

    response: str
    history: list[tuple[str, str]]
    status: Literal[200] = 200
    time: str
    uid: str | None = None


@router.post("/", responses=STATUSES, response_model_exclude_none=True)
async def ask(
    body: Annotated[AnyQuery, Body()], request: Request, worker: WorkerDep, call: CallDep
) -> ChatZooAnswer | PairAnswer:
    """Answer a client of ChatZoo, ChatGLM, EduChat or MOSS; told apart by the body's shape."""
    asked = Asked(request, worker, call)
    match body:
        case ChatGLMQuery():
            return await ask_pairs(asked, body, body.history, None)
        case MossQuery():
            # One turn of a conversation at a time: the next one is to know this one's answer.
            async with worker.conversations.turn(body.uid) as (uid, pairs):
                return await ask_pairs(asked, body, pairs, uid)
        case ChatZooQuery():
            return await _ask_chatzoo(asked, body)
        case _:
            return await _ask_chatzoo(asked, ChatZooQuery(query=body))


class Asked:
    """The circumstances of one request."""

    def __init__(self, request: Request, worker: Worker, call: Call) -> None:
        self.request, self.worker, self.call = request, worker, call

    async def answer(self, prepared: Prepared) -> Answer:
        ticket = self.worker.runner.submit(prepared, self.call)
        [answer] = await collect(self.request, ticket)
        return answer


async def _ask_chatzoo(asked: Asked, body: ChatZooQuery) -> ChatZooAnswer:
    try:
        if body.prompt is not None:
            prepared = await asked.worker.prepare_text(body.prompt, body.params)
        else:
            messages = [turn.to_message() for turn in body.query]
            prepared = await asked.worker.prepare(messages, body.params)
        return ChatZooAnswer(response=(await asked.answer(prepared)).text)
    except (ApiError, BotError) as error:
        failure = api_error(error, asked.call.id)
        failure.extra = {"status": 1, "response": None}
        raise failure from error


async def ask_pairs(
    asked: Asked,
    body: ChatGLMQuery | MossQuery,
    pairs: list[tuple[str, str]],
    uid: str | None,
) -> PairAnswer:
    """Answer a question after its earlier pairs; with a `uid`, the pairs are remembered."""
    prepared = await _prepare_pairs(asked.worker, body, pairs, trim=uid is not None)
    answer = (await asked.answer(_within(prepared, body.max_length))).text
    if uid is not None:
        asked.worker.conversations.put(uid, [*pairs, (body.prompt, answer)])
    return PairAnswer(
        response=answer,
        history=[*pairs, (body.prompt, answer)],
        time=now(),
        uid=uid,
    )


def now() -> str:
    """This machine's time as these servers write it."""
    return datetime.now().strftime("%Y-%m-%d %H:%M:%S")


async def _prepare_pairs(
    worker: Worker, body: ChatGLMQuery | MossQuery, pairs: list[tuple[str, str]], *, trim: bool
) -> Prepared:
    """Build the prompt of a question after its pairs.

    With `trim`, the oldest pairs are forgotten (removed from `pairs`) as long as there are too
    many for the worker, or they leave less room for the answer than was asked for and than a
    quarter of the context: a caller who sends only a `uid` cannot shorten the conversation.
    """
    wanted = worker.settings(body.params()).max_new_tokens
    if worker.context_length is not None:
        wanted = min(wanted, worker.context_length // 4)
    while True:
        messages = [
            message
            for question, answer in pairs
            for message in (Message("user", question), Message("assistant", answer))
        ]
        messages.append(Message("user", body.prompt))
        try:
            if not trim or not pairs or len(messages) <= worker.config.max_messages:
                prepared = await worker.prepare(messages, body.params())
                if not trim or not pairs or prepared.settings.max_new_tokens >= wanted:
                    return prepared
        except ContextLengthExceeded:
            if not trim or not pairs:
                raise
        del pairs[0]


def _within(prepared: Prepared, max_length: int | None) -> Prepared:
    """Shorten the answer so that prompt and answer have at most `max_length` tokens."""
    if max_length is None:
        return prepared
    room = max_length - (prepared.prompt_tokens or 0)
    if room < 1:
        raise InvalidRequest(
            f"max_length: the prompt alone has {prepared.prompt_tokens} tokens.",
            param="max_length",
        )
    fewer = min(room, prepared.settings.max_new_tokens)
    settings = prepared.settings.model_copy(update={"max_new_tokens": fewer})
    return replace(prepared, settings=settings)


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
        Annotated[Turns, Tag("list")] | Annotated[ChatZooQuery, Tag("query")],
        Discriminator(lambda body: "list" if isinstance(body, list) else "query"),
    ],
    worker: WorkerDep,
) -> Response:
    """ChatZoo: the text that the model would be given."""
    turns = body.query if isinstance(body, ChatZooQuery) else body
    prepared = await worker.prepare([turn.to_message() for turn in turns], {})
    return PlainTextResponse(prepared.inputs.prompt)
