"""What streaming costs a worker: CPU time per event, with so many streams at so many events a
second, and whether all arrive.

An echo worker has no model, so all it does is the wire. Figures are of the worker's process alone.
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

from benchmarks.report import machine, write_section
from tests.support import answers, eventually, free_port


@dataclass(frozen=True)
class Result:
    """One run."""

    streams: int
    events: int
    seconds: float
    cpu_us: float
    late_ms: float

    def row(self) -> str:
        """A line of the table."""
        return (
            f"| {self.streams} | {self.events} | {self.events / self.seconds:.0f}"
            f" | {self.cpu_us:.0f} | {self.late_ms:.1f} |"
        )


async def one_stream(port: int, tokens: int, rate: float) -> list[float]:
    """Read one answer from the socket; when each delta arrived, in seconds from the first."""
    words = " ".join(["word"] * tokens)
    params = {"rate": rate, "max_new_tokens": tokens}
    body = json.dumps({"messages": [{"role": "user", "content": words}], "params": params})
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    )
    writer.write(body.encode())
    arrived: list[float] = []
    done = False
    while line := await reader.readline():
        if line == b"event: delta\n":
            arrived.append(time.monotonic())
        done = done or line == b"event: done\n"
    writer.close()
    assert done, "a stream was cut"
    return [at - arrived[0] for at in arrived]


async def measure(port: int, process: psutil.Process, streams: int, rate: float) -> Result:
    """Run `streams` answers of ten seconds at once."""
    tokens = int(rate * 10)
    before, started = sum(process.cpu_times()[:2]), time.monotonic()
    all_arrived = await asyncio.gather(*(one_stream(port, tokens, rate) for _ in range(streams)))
    seconds = time.monotonic() - started
    cpu = sum(process.cpu_times()[:2]) - before
    events = sum(len(arrived) for arrived in all_arrived)
    late = [at - n / rate for arrived in all_arrived for n, at in enumerate(arrived)]
    p99 = statistics.quantiles(late, n=100)[98]
    return Result(streams, events, seconds, cpu / events * 1e6, p99 * 1000)


def report(results: list[Result], rate: float) -> str:
    """The section of docs/benchmarks.md."""
    lines = [
        f"{machine()}; {rate:g} events a second in each stream.",
        "",
        "| streams | events | events/s | CPU µs per event | p99 late, ms |",
        "|---|---|---|---|---|",
        *(result.row() for result in results),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and with --write put the table into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 64, 256])
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--runs", type=int, default=3, help="the median of so many is shown")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    port = free_port()
    command = [sys.executable, "-m", "server", "--type", "echo", "--port", str(port)]
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
            print(results[-1].row(), flush=True)
    finally:
        worker.terminate()
        worker.wait()
    if options.write:
        write_section("streams", report(results, options.rate))


if __name__ == "__main__":
    main()
