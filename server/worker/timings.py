"""Times of one request: queue time, time to first token, decode rate, gaps between tokens."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Timings:
    """Moments of one request in seconds of the monotonic clock; 0 means "not yet".

    `arrived` is when the request's headers came, `submitted` when its prompt was built and it
    entered the queue, `admitted` when it began to run.
    """

    arrived: float
    submitted: float
    admitted: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    ended: float = 0.0
    gaps: list[float] = field(default_factory=list)
    """Seconds between tokens. They are collected here and go into the histogram when the request
    ends: a histogram has a lock, for which the threads of all requests would queue at every
    token."""

    def record_token(self, now: float) -> None:
        """Record a token that was decoded at `now`."""
        if self.first_token:
            self.gaps.append(now - self.last_token)
        else:
            self.first_token = now
        self.last_token = now

    def queue_ms(self) -> int:
        """Milliseconds between `submitted` and the begin of decoding, or the end without it."""
        return round(((self.admitted or self.ended) - self.submitted) * 1000)

    def summary(self, tokens: int) -> dict[str, int | float | None]:
        """The `timings` object of the wire for an answer of `tokens` tokens.

        `ttft_ms` is None without a token. `tokens_per_second` counts the tokens after the first
        over the time after the first, and is None for fewer than two tokens.
        """
        first, decoding = self.first_token, self.last_token - self.first_token
        rate = round((tokens - 1) / decoding, 2) if tokens > 1 and decoding > 0 else None
        return {
            "queue_ms": self.queue_ms(),
            "ttft_ms": round((first - self.arrived) * 1000) if first else None,
            "total_ms": round((self.ended - self.arrived) * 1000),
            "tokens_per_second": rate,
        }
