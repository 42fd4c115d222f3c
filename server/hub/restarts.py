"""When a worker's process is started again after it has ended."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Delays between the end of a process and its next start, in seconds.

    The first delay is short, as one crash is most likely an accident. It doubles each time, up to
    `longest_delay`: a worker that cannot live should not keep the disk busy with loading its model,
    and one whose GPU memory is freed later still comes back without help. A process that ran for
    `healthy_after` has recovered, and its next delay is the first again.
    """

    first_delay: float = 1.0
    longest_delay: float = 30.0
    healthy_after: float = 60.0


class Backoff:
    """The delays of one worker, by a policy."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._next = policy.first_delay

    def next_delay(self, ran: float) -> float:
        """The delay in seconds after a process that ran for `ran` seconds."""
        if ran >= self._policy.healthy_after:
            self._next = self._policy.first_delay
        delay = self._next
        self._next = min(2 * delay, self._policy.longest_delay)
        return delay
