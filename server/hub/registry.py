"""The list of workers and their health, in memory. Knows neither processes nor HTTP."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from server.http.address import same_worker, seen_from
from server.http.errors import ApiError
from server.hub.schema import MAX_WORKERS, Health, NewWorker, WorkerEntry
from server.hub.zoo_worker import ZooWorker


@dataclass(slots=True, eq=False)
class Member:
    """One worker of the list. `host` is the address that a zoo worker listens on, else ""."""

    id: str
    name: str
    url: str
    source: Literal["zoo", "registered"]
    host: str = ""
    api_key: str | None = field(default=None, repr=False)
    health: Health = field(default_factory=Health)

    def entry(self, client_host: str | None = None) -> WorkerEntry:
        """The entry on the wire, for a browser that found the hub under the name `client_host`."""
        return WorkerEntry(
            id=self.id,
            name=self.name,
            url=seen_from(self.url, self.host, client_host),
            source=self.source,
            health=self.health,
        )


Listener = Callable[[Member, Health], None]
"""Called with a member whose health changed, and its health before."""


class Registry:
    """The workers, in the order in which they were added."""

    def __init__(self, limit: int = MAX_WORKERS) -> None:
        self.limit = limit
        self.listeners: list[Listener] = []
        self._members: dict[str, Member] = {}

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._members.values()))

    def add_zoo(self, worker: ZooWorker) -> Member:
        """Add a worker of the zoo file."""
        key = worker.options.api_key
        return self._add(
            worker.name,
            worker.url,
            "zoo",
            host=worker.options.host,
            api_key=key.get_secret_value() if key else None,
        )

    def register(self, new: NewWorker) -> Member:
        """Add a worker that was started elsewhere.

        Raises ApiError 409 for an address that is on the list, and for one more than `limit`.
        """
        return self._add(
            new.name,
            new.url,
            "registered",
            api_key=new.api_key.get_secret_value() if new.api_key else None,
        )

    def get(self, worker_id: str) -> Member:
        """The worker with this id. Raises ApiError 404."""
        member = self._members.get(worker_id)
        if member is None:
            raise ApiError(404, "worker_not_found", f"There is no worker {worker_id!r}.")
        return member

    def remove(self, member: Member) -> None:
        """Remove a worker from the list."""
        self._members.pop(member.id, None)

    def update(self, member: Member, **changes: Any) -> None:
        """Set fields of a worker's health; calls the listeners if that changed it."""
        before = member.health
        member.health = before.model_copy(update=changes)
        if member.health != before:
            for listener in self.listeners:
                listener(member, before)

    def _add(
        self,
        name: str,
        url: str,
        source: Literal["zoo", "registered"],
        *,
        host: str = "",
        api_key: str | None = None,
    ) -> Member:
        key = same_worker(url)
        # Made from the URL, so that a worker keeps its id when the hub is restarted.
        worker_id = hashlib.sha256(key.encode()).hexdigest()[:12]
        if worker_id in self._members:
            other = self._members[worker_id]
            raise ApiError(
                409,
                "worker_exists",
                f"{url} is on the list already, as {other.name!r}.",
                param="url",
            )
        if len(self._members) >= self.limit:
            raise ApiError(
                409, "too_many_workers", f"The list holds {self.limit} workers; remove one first."
            )
        member = Member(worker_id, name, url, source, host, api_key)
        self._members[worker_id] = member
        return member
