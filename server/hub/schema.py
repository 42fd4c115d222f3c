"""The hub's worker list on the wire."""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from server.http.address import worker_key, worker_url
from server.worker.schema import ProgressBody

MAX_WORKERS = 64
"""Most workers of a hub. Each is polled; registering without end must not fill the memory."""

State = Literal["starting", "loading", "ready", "draining", "failed", "down"]


class Health(BaseModel):
    """A worker's health as the hub last saw it.

    `state` is the worker's own, or `starting` (its process runs or its URL is registered, and it
    has not answered yet), or `down` (its process ended, or it cannot be reached). `restarts` counts
    how often the hub started its process again.
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
    """All workers of the hub."""

    workers: list[WorkerEntry]


def plain_name(name: str) -> str:
    """`name` itself, if it can be printed to terminals and passed in command lines.

    Raises ValueError for control characters, line ends and lone surrogates.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise ValueError("A name has no control characters and no line ends")
    return name


def _check_key(key: SecretStr) -> SecretStr:
    worker_key(key.get_secret_value())
    return key


class NewWorker(BaseModel):
    """A worker to register. The key is for the hub's own polls, and no response contains it."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
        AfterValidator(plain_name),
    ]
    url: Annotated[str, AfterValidator(worker_url)] = Field(
        max_length=2000, examples=["http://127.0.0.1:8081"]
    )
    api_key: Annotated[SecretStr, AfterValidator(_check_key)] | None = Field(None, max_length=1000)


class HubReadiness(BaseModel):
    """Whether the hub accepts requests."""

    state: Literal["ready", "draining"]
