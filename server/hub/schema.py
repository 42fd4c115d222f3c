"""What the hub's worker list looks like on the wire."""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from server.http.address import worker_key, worker_url
from server.worker.schema import ProgressBody

State = Literal["starting", "loading", "ready", "draining", "failed", "down"]


class Health(BaseModel):
    """What the hub knows about a worker's condition.

    `starting`: its process was started, or its URL registered, and nothing was heard yet.
    `down`: it was there and is not any more, or cannot be reached. `restarts` counts how often the
    hub started its process again.
    """

    model_config = ConfigDict(frozen=True)

    state: State = "starting"
    progress: ProgressBody | None = None
    error: str | None = None
    restarts: int = 0


class WorkerEntry(BaseModel):
    """One worker of the list. `zoo` workers are the hub's own processes."""

    id: str
    name: str
    url: str
    source: Literal["zoo", "registered"]
    health: Health


class WorkerList(BaseModel):
    """All workers that the hub knows."""

    workers: list[WorkerEntry]


def plain_name(name: str) -> str:
    """A worker's name, which goes into terminals and command lines.

    Raises ValueError for one with control characters, line ends or halves of characters.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise ValueError("A name has no control characters and no line ends")
    return name


def _sendable(key: SecretStr) -> SecretStr:
    worker_key(key.get_secret_value())
    return key


class NewWorker(BaseModel):
    """A worker to register. The key is for the hub's own look at the worker, and never shown."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
        AfterValidator(plain_name),
    ]
    url: Annotated[str, AfterValidator(worker_url)] = Field(
        max_length=2000, examples=["http://127.0.0.1:8081"]
    )
    api_key: Annotated[SecretStr, AfterValidator(_sendable)] | None = Field(None, max_length=1000)


class HubReadiness(BaseModel):
    """Whether the hub takes requests."""

    state: Literal["ready", "draining"]
