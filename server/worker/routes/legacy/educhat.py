"""EduChat's two endpoints of 2023: the one of its README and the one of its demo.

Source: the README and the demo server of icalk-nlp/EduChat.
"""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from server.worker.routes.deps import CallDep, WorkerDep, authorized
from server.worker.routes.legacy.schema import LegacyMessages, MossQuery, PairAnswer
from server.worker.routes.legacy.shared import STATUSES, Context, answer_pairs, timestamp
from server.worker.worker import Worker

router = APIRouter(tags=["compat"], dependencies=[authorized])

_MODES = ("teacher-guide", "emotionEase", "retrievalQA")


class EduChatQuery(BaseModel):
    """The demo's request. `functionUsed` names a mode; any other name is open questions."""

    model_config = ConfigDict(extra="ignore")

    functionUsed: str = ""
    messages: LegacyMessages
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None

    def params(self, worker: Worker) -> dict[str, Any]:
        """The settings in the request; the mode only if the model has modes."""
        mode = self.functionUsed if self.functionUsed in _MODES else "openQA"
        named = {
            "mode": mode if worker.supports("mode") else None,
            "max_new_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
        }
        return {name: value for name, value in named.items() if value is not None}


class EduChatAnswer(BaseModel):
    """The demo's answer; what the model thinks is apart."""

    response: str
    inner_thought: str
    status: Literal[200] = 200
    time: str


@router.post("/educhat", responses=STATUSES, response_model_exclude_none=True)
async def educhat(
    body: MossQuery, request: Request, worker: WorkerDep, call: CallDep
) -> PairAnswer:
    """EduChat's README: one question; the conversation is remembered under `uid`."""
    async with worker.conversations.turn(body.uid) as (uid, pairs):
        return await answer_pairs(Context(request, worker, call), body, pairs, uid)


@router.post("/chat", responses=STATUSES)
async def chat(
    body: EduChatQuery, request: Request, worker: WorkerDep, call: CallDep
) -> EduChatAnswer:
    """EduChat's demo: a conversation in one of its modes."""
    messages = [message.to_message() for message in body.messages]
    prepared = await worker.prepare(messages, body.params(worker))
    answer = await Context(request, worker, call).answer(prepared)
    return EduChatAnswer(response=answer.text, inner_thought=answer.reasoning, time=timestamp())
