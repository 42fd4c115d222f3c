"""The bounded request queue of a worker: which requests run, which wait, in order of arrival."""

from server.http.errors import RETRY_AFTER, ApiError
from server.worker.ticket import Queued, Ticket


class RequestQueue:
    """At most `max_running` tickets run and at most `max_waiting` wait; others are refused.

    Used on the event loop only, so it needs no lock.
    """

    def __init__(self, max_waiting: int) -> None:
        self.max_running = 0
        self.max_waiting = max_waiting
        self._running: dict[str, Ticket] = {}
        self._waiting: dict[str, Ticket] = {}

    @property
    def running(self) -> list[Ticket]:
        """The tickets that run."""
        return [*self._running.values()]

    @property
    def waiting(self) -> list[Ticket]:
        """The tickets that wait, the next to run first."""
        return [*self._waiting.values()]

    def count_running(self) -> int:
        """Number of tickets that run."""
        return len(self._running)

    def count_waiting(self) -> int:
        """Number of tickets that wait."""
        return len(self._waiting)

    def check_capacity(self, count: int) -> None:
        """Raise ApiError 429 if `count` more requests can neither run nor wait."""
        running, waiting = len(self._running), len(self._waiting)
        if count > self.max_running - running + self.max_waiting - waiting:
            raise ApiError(
                429,
                "queue_full",
                f"{running} requests run and {waiting} wait; try again shortly.",
                headers=RETRY_AFTER,
            )

    def add(self, ticket: Ticket) -> bool:
        """Add a ticket after `check_capacity`. Returns whether it is to run now.

        One that waits gets a `Queued` event.
        """
        if len(self._running) < self.max_running:
            self._running[ticket.id] = ticket
            return True
        self._waiting[ticket.id] = ticket
        ticket.put(Queued(len(self._waiting)))
        return False

    def remove_waiting(self, ticket: Ticket) -> bool:
        """Remove a ticket that waits; the others move up. Returns whether it waited."""
        if self._waiting.pop(ticket.id, None) is None:
            return False
        self._publish_positions()
        return True

    def clear_waiting(self) -> list[Ticket]:
        """Remove and return all tickets that wait."""
        removed = self.waiting
        self._waiting.clear()
        return removed

    def finish(self, ticket: Ticket) -> Ticket | None:
        """Remove a ticket that ran. Returns the waiting one that is to run in its place."""
        del self._running[ticket.id]
        if not self._waiting or len(self._running) >= self.max_running:
            return None
        following = self._waiting.pop(next(iter(self._waiting)))
        self._running[following.id] = following
        self._publish_positions()
        return following

    def find(self, request_id: str) -> list[Ticket]:
        """The tickets of a request, waiting ones first. A request with several prompts has one
        ticket for each, named `ID`, `ID-1`, `ID-2` …"""
        return [
            ticket
            for ticket in (*self._waiting.values(), *self._running.values())
            if ticket.id == request_id or ticket.id.startswith(f"{request_id}-")
        ]

    def _publish_positions(self) -> None:
        for position, ticket in enumerate(self._waiting.values(), 1):
            ticket.put(Queued(position))
