"""OpenAI's text completions: /v1/completions, raw prompts with echo and log-probabilities."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from bots.chatbot import Prepared
from bots.errors import InvalidRequest
from bots.events import TokenLogprob, TopLogprob, Usage
from server.http import sse
from server.worker.answer import Answer, collect
from server.worker.event_stream import EventStream, final_error
from server.worker.routes.deps import CallDep, WorkerDep, authorized
from server.worker.routes.openai.schema import (
    CompletionRequest,
    TextChoice,
    TextCompletion,
    TextLogprobs,
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


def _prompts(body: CompletionRequest) -> list[str] | list[list[int]]:
    """The prompts of a request, as texts or as lists of token ids. Raises InvalidRequest."""
    prompt = body.prompt
    if isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise InvalidRequest("prompt: there is none.", param="prompt")
    if isinstance(prompt[0], int):
        return [prompt]
    return prompt


def _settings(body: CompletionRequest, worker: Worker) -> dict[str, Any]:
    """The settings of a request by the names that bots use; 16 new tokens by default, as OpenAI."""
    limit = 16 if body.max_tokens is None else body.max_tokens
    settings = body.params() | {"max_new_tokens": limit}
    if body.logprobs is not None:
        settings |= logprob_settings(body.logprobs, worker)
        if body.echo:
            settings["prompt_logprobs"] = body.logprobs
    return settings


@router.post("/completions", response_model=TextCompletion, responses={200: STREAM, **STATUSES})
async def completions(
    body: CompletionRequest, request: Request, worker: WorkerDep, call: CallDep
) -> Response | TextCompletion:
    """Continue raw prompts, texts or token ids, used exactly as given. One choice per prompt."""
    check_model(body.model, worker)
    worker.check_ready()
    prompts = _prompts(body)
    places = worker.runner.capacity
    if len(prompts) > places:
        raise InvalidRequest(
            f"prompt: this worker has places for {places} prompts at once.", param="prompt"
        )
    worker.runner.check_capacity(len(prompts))
    params = check_supported(_settings(body, worker), worker)
    # Prepare all before the first is submitted: a request runs with all its prompts or not at all.
    prepared = [await worker.prepare_text(prompt, params) for prompt in prompts]
    worker.runner.check_capacity(len(prompts))
    calls = [replace(call, id=f"{call.id}-{n}") if n else call for n in range(len(prepared))]
    tickets = [worker.runner.submit(*pair) for pair in zip(prepared, calls, strict=True)]
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
        usage=sum_usage(*(answer.usage for answer in answers)),
    )


def _text_choice(
    index: int, prepared: Prepared, answer: Answer, body: CompletionRequest, *, sent: int = -1
) -> TextChoice:
    """A whole choice, or the next chunk of it.

    `sent` is the number of characters scored in earlier chunks; -1 means that this is the first
    chunk, which carries the echoed prompt.
    """
    first = sent < 0
    echoed = prepared.inputs.prompt if body.echo and first else ""
    tokens = [*answer.prompt_logprobs, *answer.logprobs]
    ids = body.return_token_ids
    return TextChoice(
        index=index,
        text=echoed + answer.text,
        logprobs=_text_logprobs(tokens, max(sent, 0)) if body.logprobs is not None else None,
        finish_reason=finish_reason(answer.done.finish_reason) if answer.done else None,
        token_ids=list(answer.token_ids) if ids else None,
        prompt_token_ids=prepared.inputs.token_ids if ids and first else None,
    )


def _text_logprobs(tokens: list[TokenLogprob], at: int) -> TextLogprobs:
    """Log-probabilities as parallel lists; `at` is the offset of the first token in the text."""
    offsets = []
    for item in tokens:
        offsets.append(at)
        at += len(item.text)
    return TextLogprobs(
        tokens=[item.text for item in tokens],
        token_logprobs=[item.logprob for item in tokens],
        top_logprobs=[None if item.logprob is None else _by_text(item.top) for item in tokens],
        text_offset=offsets,
    )


def _by_text(top: Sequence[TopLogprob]) -> dict[str, float]:
    """Log-probability by text, best first.

    Two tokens may have the same text, such as two halves of characters; the better one stays.
    """
    by_text: dict[str, float] = {}
    for token in top:
        by_text.setdefault(token.text, token.logprob)
    return by_text


async def _text_frames(
    tickets: list[Ticket], worker: Worker, body: CompletionRequest
) -> AsyncIterator[bytes]:
    """The chunks of all choices, one choice after the other. All are decoded at the same time."""
    head = {"id": tickets[0].id, "object": "text_completion", "created": int(time.time())}
    head["model"] = worker.name
    usages: list[Usage] = []
    ticket = tickets[0]
    try:
        for index, ticket in enumerate(tickets):
            sent = -1
            async for answer, piece in stream_answers(ticket, worker):
                part = replace(answer, text=piece)
                choice = _text_choice(index, ticket.prepared, part, body, sent=sent)
                if choice.text or answer.done or answer.token_ids or answer.prompt_logprobs:
                    yield sse.frame({**head, "choices": [choice.model_dump(exclude_none=False)]})
                    tokens = choice.logprobs.tokens if choice.logprobs else []
                    sent = max(sent, 0) + sum(map(len, tokens))
                if answer.done:
                    usages.append(answer.usage)
        if body.include_usage:
            yield sse.frame({**head, "choices": [], "usage": sum_usage(*usages).model_dump()})
        yield sse.DONE
    # The status 200 is sent already, so every failure becomes the last event, without [DONE].
    except Exception as error:  # noqa: BLE001
        yield sse.frame(final_error(error, ticket))
