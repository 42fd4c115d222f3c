"""Parts that the protocols of 2023 have in common: whole answers, question and answer pairs."""

from dataclasses import dataclass, replace
from datetime import datetime

from fastapi import Request

from bots.chatbot import Prepared
from bots.errors import ContextLengthExceeded, InvalidRequest
from bots.events import Message
from server.http.errors import responses
from server.worker.answer import Answer, collect
from server.worker.conversations import Pair
from server.worker.routes.legacy.schema import ChatGLMQuery, MossQuery, PairAnswer
from server.worker.ticket import Call
from server.worker.worker import Worker

STATUSES = responses(400, 401, 413, 422, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Context:
    """What FastAPI gives to an endpoint, passed on as one argument."""

    request: Request
    worker: Worker
    call: Call

    async def answer(self, prepared: Prepared) -> Answer:
        """The whole answer to a prepared prompt."""
        ticket = self.worker.runner.submit(prepared, self.call)
        [answer] = await collect(self.request, ticket)
        return answer


async def answer_pairs(
    context: Context, body: ChatGLMQuery | MossQuery, pairs: list[Pair], uid: str | None
) -> PairAnswer:
    """Answer the question of `body` after its earlier pairs. With a `uid`, remember the pairs."""
    prepared = await _prepare_pairs(context.worker, body, pairs, trim=uid is not None)
    answer = (await context.answer(limit_total_tokens(prepared, body.max_length))).text
    history = [*pairs, (body.prompt, answer)]
    if uid is not None:
        context.worker.conversations.put(uid, history)
    return PairAnswer(response=answer, history=history, time=timestamp(), uid=uid)


async def _prepare_pairs(
    worker: Worker, body: ChatGLMQuery | MossQuery, pairs: list[Pair], *, trim: bool
) -> Prepared:
    """Build the prompt of a question after its pairs.

    With `trim`, the oldest pairs are removed from `pairs` while there are too many for the worker,
    or while they leave fewer tokens for the answer than requested and than a quarter of the
    context. Clients that send only a `uid` cannot shorten the conversation themselves.
    """
    wanted = worker.settings(body.params()).max_new_tokens
    if worker.context_length is not None:
        # Few clients set a length, and the default may be the whole context. A quarter is enough
        # for an answer and keeps most of the conversation.
        wanted = min(wanted, worker.context_length // 4)
    while True:
        messages = [
            message
            for question, answer in pairs
            for message in (Message("user", question), Message("assistant", answer))
        ]
        messages.append(Message("user", body.prompt))
        final = not trim or not pairs
        try:
            if final or len(messages) <= worker.config.max_messages:
                prepared = await worker.prepare(messages, body.params())
                if final or prepared.settings.max_new_tokens >= wanted:
                    return prepared
        except ContextLengthExceeded:
            if final:
                raise
        del pairs[0]


def limit_total_tokens(prepared: Prepared, max_length: int | None) -> Prepared:
    """Limit new tokens so that prompt and answer have at most `max_length` tokens together.

    Raises InvalidRequest if the prompt alone has as many.
    """
    if max_length is None:
        return prepared
    left = max_length - (prepared.prompt_tokens or 0)
    if left < 1:
        raise InvalidRequest(
            f"max_length: the prompt alone has {prepared.prompt_tokens} tokens.",
            param="max_length",
        )
    fewer = min(left, prepared.settings.max_new_tokens)
    settings = prepared.settings.model_copy(update={"max_new_tokens": fewer})
    return replace(prepared, settings=settings)


def timestamp() -> str:
    """This machine's local time in the format of these protocols."""
    return datetime.now().strftime("%Y-%m-%d %H:%M:%S")
