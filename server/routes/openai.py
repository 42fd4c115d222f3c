"""OpenAI's dialect: /v1/models, /v1/chat/completions, /v1/completions."""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from bots.chatbot import Prepared
from bots.errors import InvalidRequest, Unsupported
from bots.events import FinishReason, TokenLogprob, Usage
from server import sse
from server.answer import Answer, EventStream, collect, last_words
from server.errors import ApiError, responses
from server.routes.deps import CallDep, WorkerDep, authorised
from server.routes.openai_schema import (
    AssistantMessage,
    ChatChoice,
    ChatCompletion,
    ChatCompletionRequest,
    ChatLogprobs,
    ChatToken,
    CompletionRequest,
    ModelList,
    ModelObject,
    OpenAIUsage,
    TextChoice,
    TextCompletion,
    TextLogprobs,
    TopToken,
)
from server.stream import Silence, Ticket
from server.worker import Worker

router = APIRouter(prefix="/v1", tags=["openai"], dependencies=[authorised])

_STARTED = int(time.time())
_HELD_BACK = 32
"""Characters a rewriting model's stream stays behind: its text can be changed only while unsent."""
_STREAM = {"content": {sse.MEDIA_TYPE: {}}, "description": "The answer, or a stream of chunks"}
_STATUSES = responses(400, 401, 404, 413, 422, 429, 500, 502, 503, 504)


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


@router.post(
    "/chat/completions", response_model=ChatCompletion, responses={200: _STREAM, **_STATUSES}
)
async def chat_completions(
    body: ChatCompletionRequest, request: Request, worker: WorkerDep, call: CallDep
) -> Response | ChatCompletion:
    """Answer a conversation."""
    check_model(body.model, worker)
    worker.check_ready()
    worker.runner.check_room()
    params = body.sampling()
    limit = body.max_completion_tokens if body.max_tokens is None else body.max_tokens
    if limit is not None:
        params["max_new_tokens"] = limit
    if body.top_logprobs is not None and not 0 <= body.top_logprobs <= 20:
        raise InvalidRequest("top_logprobs: from 0 to 20.", param="top_logprobs")
    if body.logprobs:
        params["logprobs"] = body.top_logprobs or 0
    elif body.top_logprobs is not None:
        raise InvalidRequest("top_logprobs: set logprobs to true as well.", param="top_logprobs")
    messages = [turn.to_message() for turn in body.messages]
    prepared = await worker.prepare(messages, allowed(params, worker))
    ticket = worker.runner.submit(prepared, call)
    if body.stream:
        return EventStream(_chat_frames(ticket, worker, body), ticket)
    [answer] = await collect(request, ticket)
    assert answer.done is not None
    message = AssistantMessage(content=answer.text, reasoning_content=answer.reasoning or None)
    choice = ChatChoice(
        message=message,
        logprobs=_chat_logprobs(answer.logprobs) if body.logprobs else None,
        finish_reason=finish(answer.done.finish_reason),
    )
    return ChatCompletion(
        id=ticket.id,
        created=int(time.time()),
        model=worker.name,
        choices=[choice],
        usage=usage_of(answer.usage),
    )


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


def _chat_logprobs(logprobs: list[TokenLogprob]) -> ChatLogprobs:
    def top(text: str, logprob: float) -> dict[str, Any]:
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    return ChatLogprobs(
        content=[
            ChatToken(
                **top(item.text, item.logprob or 0.0),
                top_logprobs=[TopToken(**top(one.text, one.logprob)) for one in item.top],
            )
            for item in logprobs
        ]
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


async def _answers(ticket: Ticket, worker: Worker) -> AsyncIterator[tuple[Answer | None, str]]:
    """The answer so far and the text to append, each time there is news; (None, "") on silence.

    The token ids and log-probabilities of the answer are those since the last time.
    """
    answer = Answer()
    text = AppendOnly(_HELD_BACK if worker.bot.rewrites else 0)
    async for event in ticket.events():
        if isinstance(event, Silence):
            yield None, ""
            continue
        answer.apply(event)
        yield answer, text.advance(answer.text, final=answer.done is not None)
        answer.reasoning, answer.token_ids, answer.logprobs = "", [], []
        answer.prompt_logprobs = ()


async def _chat_frames(
    ticket: Ticket, worker: Worker, body: ChatCompletionRequest
) -> AsyncIterator[bytes]:
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
        async for answer, piece in _answers(ticket, worker):
            if answer is None:
                yield sse.PING
                continue
            delta = {"content": piece, "reasoning_content": answer.reasoning}
            delta = {name: text for name, text in delta.items() if text}
            scored = body.logprobs and answer.logprobs
            if delta or scored:
                logprobs = _chat_logprobs(answer.logprobs).model_dump() if scored else None
                yield chunk(delta, logprobs=logprobs)
            if answer.done:
                yield chunk({}, finish(answer.done.finish_reason))
                if body.include_usage:
                    usage = usage_of(answer.usage).model_dump()
                    yield sse.frame({**head, "choices": [], "usage": usage})
                yield sse.DONE
    except Exception as error:  # noqa: BLE001 (the stream has begun: every failure is an event)
        yield sse.frame(last_words(error, ticket))


# -- text completions ----------------------------------------------------------------------------


def _prompts(body: CompletionRequest) -> list[str] | list[list[int]]:
    """The prompts of a request: texts, or lists of token ids. Raises InvalidRequest."""
    prompt = body.prompt
    if isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise InvalidRequest("prompt: there is none.", param="prompt")
    if isinstance(prompt[0], int):
        return [prompt]
    return prompt


@router.post("/completions", response_model=TextCompletion, responses={200: _STREAM, **_STATUSES})
async def completions(
    body: CompletionRequest, request: Request, worker: WorkerDep, call: CallDep
) -> Response | TextCompletion:
    """Continue raw prompts: texts or token ids, used exactly as given; one choice a prompt."""
    check_model(body.model, worker)
    worker.check_ready()
    prompts = _prompts(body)
    places = worker.runner.max_running + worker.runner.max_queue
    if len(prompts) > places:
        raise InvalidRequest(
            f"prompt: this worker has places for {places} prompts at once.", param="prompt"
        )
    worker.runner.check_room(len(prompts))
    params = body.sampling() | {
        "max_new_tokens": 16 if body.max_tokens is None else body.max_tokens
    }
    if body.logprobs is not None:
        params["logprobs"] = body.logprobs
        if body.echo:
            params["prompt_logprobs"] = body.logprobs
    allowed(params, worker)
    prepared = [await worker.prepare_text(prompt, params) for prompt in prompts]
    worker.runner.check_room(len(prompts))
    calls = [replace(call, id=f"{call.id}-{n}") if n else call for n in range(len(prepared))]
    tickets = [worker.runner.submit(one, name) for one, name in zip(prepared, calls, strict=True)]
    if body.stream:
        return EventStream(_text_frames(tickets, worker, body), *tickets)
    answers = await collect(request, *tickets)
    return TextCompletion(
        id=call.id,
        created=int(time.time()),
        model=worker.name,
        choices=[
            _text_choice(index, ticket.prepared, answer, body)
            for index, (ticket, answer) in enumerate(zip(tickets, answers, strict=True))
        ],
        usage=usage_of(*(answer.usage for answer in answers)),
    )


def _text_choice(
    index: int, prepared: Prepared, answer: Answer, body: CompletionRequest, *, sent: int = -1
) -> TextChoice:
    """A choice, whole or the next chunk of it; `sent` characters were scored in chunks before it,
    and -1 says that there was none."""
    first = sent < 0
    echoed = prepared.inputs.prompt if body.echo and first else ""
    scored = [*answer.prompt_logprobs, *answer.logprobs]
    ids = body.return_token_ids
    return TextChoice(
        index=index,
        text=echoed + answer.text,
        logprobs=_text_logprobs(scored, max(sent, 0)) if body.logprobs is not None else None,
        finish_reason=finish(answer.done.finish_reason) if answer.done else None,
        token_ids=list(answer.token_ids) if ids else None,
        prompt_token_ids=prepared.inputs.token_ids if ids and first else None,
    )


def _text_logprobs(scored: list[TokenLogprob], at: int) -> TextLogprobs:
    """The lists of OpenAI's format; `at` characters were scored before."""
    offsets = []
    for item in scored:
        offsets.append(at)
        at += len(item.text)
    return TextLogprobs(
        tokens=[item.text for item in scored],
        token_logprobs=[item.logprob for item in scored],
        top_logprobs=[
            None if item.logprob is None else {one.text: one.logprob for one in item.top}
            for item in scored
        ],
        text_offset=offsets,
    )


async def _text_frames(
    tickets: list[Ticket], worker: Worker, body: CompletionRequest
) -> AsyncIterator[bytes]:
    """The choices one after the other; each is decoded meanwhile, whatever its turn."""
    head = {"id": tickets[0].id, "object": "text_completion", "created": int(time.time())}
    head["model"] = worker.name
    usages: list[Usage] = []
    ticket = tickets[0]
    try:
        for index, ticket in enumerate(tickets):
            sent = -1
            async for answer, piece in _answers(ticket, worker):
                if answer is None:
                    yield sse.PING
                    continue
                part = replace(answer, text=piece)
                choice = _text_choice(index, ticket.prepared, part, body, sent=sent)
                if choice.text or answer.done or answer.token_ids or answer.prompt_logprobs:
                    yield sse.frame({**head, "choices": [choice.model_dump(exclude_none=False)]})
                    tokens = choice.logprobs.tokens if choice.logprobs else []
                    sent = max(sent, 0) + sum(map(len, tokens))
                if answer.done:
                    usages.append(answer.usage)
        if body.include_usage:
            yield sse.frame({**head, "choices": [], "usage": usage_of(*usages).model_dump()})
        yield sse.DONE
    except Exception as error:  # noqa: BLE001 (the stream has begun: every failure is an event)
        yield sse.frame(last_words(error, ticket))
