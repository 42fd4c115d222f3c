"""Cost of streaming in a worker: CPU time per event and lateness, by number of streams.

An echo worker has no model, so its work is the streaming alone. CPU time is that of the worker's
process.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

from benchmarks.report import Watch, machine, table, write_section
from tests.support import answers, eventually, free_port

WORD = "word"
"""One token of the echo."""

BEGIN = 2.0
"""Seconds within which the streams of a run start, one after the other."""

SECONDS = 10
"""Length of an answer, in seconds."""


@dataclass(frozen=True)
class Result:
    """One run: numbers of streams, tokens and events; `cpu` is the worker's, in seconds; `late` has
    the delay of each token after its due time, in seconds."""

    streams: int
    tokens: int
    events: int
    cpu: float
    late: list[float]

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU per event."""
        return self.cpu / self.events * 1e6

    def row(self) -> list[str]:
        """Format a row of the table."""
        late = statistics.quantiles(self.late, n=100)
        return [
            *(str(number) for number in (self.streams, self.tokens, self.events)),
            f"{self.cpu_us:.0f}",
            f"{late[49] * 1000:.1f}",
            f"{late[98] * 1000:.1f}",
        ]


async def one_stream(port: int, rate: float, wait: float) -> tuple[int, list[float]]:
    """Request an answer after `wait` seconds and read it from the socket.

    Returns the number of events, and the delay of each token in seconds, relative to the most
    punctual one.
    """
    await asyncio.sleep(wait)
    tokens = int(rate * SECONDS)
    words = " ".join([WORD] * tokens)
    params = {"rate": rate, "max_new_tokens": tokens}
    body = json.dumps({"messages": [{"role": "user", "content": words}], "params": params})
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    )
    writer.write(body.encode())
    arrived: list[float] = []
    events, done, rest = 0, False, b""
    while part := await reader.read(2**16):
        now = time.monotonic()
        *lines, rest = (rest + part).split(b"\n")
        events += lines.count(b"event: delta")
        done = done or b"event: done" in lines
        count = sum(line.count(WORD.encode()) for line in lines)
        arrived += [now] * count
    writer.close()
    assert done, "a stream was cut"
    assert len(arrived) == tokens, "a stream is not whole"
    start = min(at - n / rate for n, at in enumerate(arrived))
    return events, [at - start - n / rate for n, at in enumerate(arrived)]


async def measure(port: int, process: psutil.Process, streams: int, rate: float) -> Result:
    """Read `streams` answers at once; `process` is the worker at `port`."""
    before = sum(process.cpu_times()[:2])
    waits = [BEGIN * number / streams for number in range(streams)]
    read = await asyncio.gather(*(one_stream(port, rate, wait) for wait in waits))
    cpu = sum(process.cpu_times()[:2]) - before
    late = [seconds for _, lates in read for seconds in lates]
    return Result(streams, len(late), sum(events for events, _ in read), cpu, late)


def report(results: list[Result], rate: float, words: str) -> str:
    """Format the section of docs/benchmarks.md."""
    head = ["streams", "tokens", "events", "CPU µs per event", "median late, ms", "p99 late, ms"]
    rows = table(head, [result.row() for result in results])
    return f"{machine()}; {rate:g} tokens a second in each stream; {words}.\n\n{rows}"


def main() -> None:
    """Measure and print; with --write also update docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 64, 256])
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--runs", type=int, default=3, help="runs; the median is shown")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    port = free_port()
    command = [sys.executable, "-m", "server", "--type", "echo", "--port", str(port)]
    watch = Watch()
    worker = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "a worker", 60)
        process = psutil.Process(worker.pid)
        results = []
        for streams in options.streams:
            runs = [
                asyncio.run(measure(port, process, streams, options.rate))
                for _ in range(options.runs)
            ]
            results.append(sorted(runs, key=lambda run: run.cpu_us)[len(runs) // 2])
            print(" ".join(results[-1].row()), flush=True)
    finally:
        worker.terminate()
        worker.wait()
    if options.write:
        write_section("streams", report(results, options.rate, watch.words()))


if __name__ == "__main__":
    main()
