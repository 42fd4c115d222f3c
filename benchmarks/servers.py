"""Starting, measuring and ending the servers that `benchmarks.serve` compares."""

import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import IO

import psutil

from benchmarks.client import Stream, ask_all
from benchmarks.peers import Peer, surroundings
from tests.support import answers, eventually, free_port

START = 300
"""Time limit for the start of a server, in seconds."""


@dataclass(frozen=True)
class Measured:
    """Figures of one run, or medians of several: times in milliseconds, `memory` in MB, `rate` and
    `stream_rate` in tokens per second, `cpu` in milliseconds a token."""

    rate: float
    stream_rate: float
    first: float
    first_p95: float
    gap: float
    gap_p95: float
    memory: float
    cpu: float

    @classmethod
    def medians(cls, runs: list["Measured"]) -> "Measured":
        """The median of each figure."""
        columns = zip(*map(astuple, runs), strict=True)
        return cls(*(statistics.median(column) for column in columns))


def _percentile(values: list[float], percent: int) -> float:
    """The nearest-rank percentile, 0 of no values; for few values p95 is the largest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0


class Server:
    """A running server with all its child processes."""

    def __init__(self, peer: Peer, process: subprocess.Popen[bytes], url: str) -> None:
        self.peer, self.url = peer, url
        self._process = psutil.Process(process.pid)

    def run(self, prompts: list[str], tokens: int) -> Measured:
        """Send all prompts at once and measure.

        Raises RuntimeError where an answer fails or is too short.
        """
        bodies = [self.peer.body(prompt, tokens) for prompt in prompts]
        before = self._cpu()
        streams = ask_all(f"{self.url}/v1/chat/completions", bodies)
        cpu = self._cpu() - before
        count = sum(stream.tokens for stream in streams)
        if count < tokens * len(prompts):
            raise RuntimeError(f"gave {count} tokens of {tokens * len(prompts)}")
        return self._measured(streams, count, cpu)

    def _measured(self, streams: list[Stream], count: int, cpu: float) -> Measured:
        start = min(stream.sent for stream in streams)
        ended = max(stream.arrived[-1] for stream in streams)
        firsts = [stream.first * 1000 for stream in streams]
        gaps = [gap * 1000 for stream in streams for gap in stream.gaps]
        return Measured(
            rate=count / (ended - start),
            stream_rate=statistics.median(stream.rate for stream in streams),
            first=statistics.median(firsts),
            first_p95=_percentile(firsts, 95),
            gap=_percentile(gaps, 50),
            gap_p95=_percentile(gaps, 95),
            memory=sum(one.memory_info().rss for one in self._all()) / 2**20,
            cpu=cpu / count * 1000,
        )

    def _all(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _cpu(self) -> float:
        return sum(sum(one.cpu_times()[:2]) for one in self._all())


@contextmanager
def started(peer: Peer, threads: int) -> Iterator[Server]:
    """Run `peer` on a free port; it and its children are ended on exit.

    Raises RuntimeError with the last line of its log where it does not start.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            peer.command(port), stdout=log, stderr=log, env=surroundings(peer, threads)
        )
        try:
            try:
                eventually(
                    lambda: process.poll() is not None or answers(url + peer.ready), "it", START
                )
            except AssertionError:
                raise RuntimeError(f"did not start in {START} s: {_end_of(log)}") from None
            if process.poll() is not None:
                raise RuntimeError(f"did not start: {_end_of(log)}")
            yield Server(peer, process, url)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Terminate a server and its children; kill those that have not ended after 20 seconds."""
    if process.poll() is None:
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        process.terminate()
        _, alive = psutil.wait_procs(family, timeout=20)
        for one in alive:
            one.kill()
    process.wait()


def _end_of(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1][-300:] if lines else "its log is empty"
