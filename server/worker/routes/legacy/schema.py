"""Bodies of the protocols of 2023: ChatZoo, ChatGLM, EduChat, MOSS."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from bots.events import Message, Role
from server.worker.schema import Text

_ROLES: dict[str, Role] = {
    "HUMAN": "user",
    "BOT": "assistant",
    "SYSTEM": "system",
    "USER": "user",
    "ASSISTANT": "assistant",
}


class LegacyMessage(BaseModel):
    """ChatZoo's message: the role is HUMAN, BOT or SYSTEM. EduChat's has OpenAI's roles."""

    role: Literal["HUMAN", "BOT", "SYSTEM", "user", "assistant", "system"]
    content: Text

    def to_message(self) -> Message:
        """The message in the form that bots take."""
        return Message(_ROLES[self.role.upper()], self.content)


LegacyMessages = Annotated[list[LegacyMessage], Field(min_length=1)]


class ChatZooQuery(BaseModel):
    """ChatZoo: a conversation, settings, and perhaps the finished prompt."""

    query: LegacyMessages
    params: dict[str, Any] = {}
    prompt: Text | None = None


class Sampling(BaseModel):
    """The settings that ChatGLM, EduChat and MOSS accept."""

    model_config = ConfigDict(extra="ignore")

    max_length: int | None = Field(None, ge=1, description="Tokens of prompt and answer together")
    top_p: float | None = None
    temperature: float | None = None

    def params(self) -> dict[str, Any]:
        """The settings in the request, by the names that bots use; `max_length` is not one."""
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


def _protocol(body: Any) -> str:
    """The tag of the protocol that a body belongs to, by its shape alone."""
    if isinstance(body, list):
        return "list"
    if isinstance(body, dict):
        return next((name for name in ("query", "history") if name in body), "prompt")
    if isinstance(body, ChatZooQuery):
        return "query"
    return "history" if isinstance(body, ChatGLMQuery) else "prompt"


AnyQuery = Annotated[
    Annotated[LegacyMessages, Tag("list")]
    | Annotated[ChatZooQuery, Tag("query")]
    | Annotated[ChatGLMQuery, Tag("history")]
    | Annotated[MossQuery, Tag("prompt")],
    Discriminator(_protocol),
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
