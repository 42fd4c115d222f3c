"""What a caller gets over HTTP: our worker against other servers, in one run.

Each server is started in turn, alone, and asked the same prompts: so many at once, so many tokens
each. A server that is not installed is skipped, and the table says so.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import IO

import psutil

from benchmarks.client import Stream, ask_all
from benchmarks.peers import Peer, all_peers, surroundings
from benchmarks.prompts import question
from benchmarks.report import load_before, machine, table, write_section
from tests.support import answers, eventually, free_port

START = 300
"""Seconds that a server may take to start."""
HEAD = (
    "server",
    "at once",
    "tokens/s in all",
    "ours ÷ it",
    "tokens/s a stream",
    "first token p50, ms",
    "p95",
    "ours ÷ it",
    "between tokens p50, ms",
    "p95",
    "memory, MB",
    "CPU ms a token",
)


@dataclass(frozen=True)
class Measured:
    """One run, or the medians of some: times in milliseconds, `memory` in MB."""

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
        """Each figure's median."""
        return cls(
            *(statistics.median(column) for column in zip(*map(_figures, runs), strict=True))
        )


def _figures(run: Measured) -> tuple[float, ...]:
    return (
        run.rate,
        run.stream_rate,
        run.first,
        run.first_p95,
        run.gap,
        run.gap_p95,
        run.memory,
        run.cpu,
    )


def _percentile(values: list[float], percent: int) -> float:
    """Of few values the p95 is the greatest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0


class Server:
    """A running server and all processes that it started."""

    def __init__(self, peer: Peer, process: subprocess.Popen[bytes], url: str) -> None:
        self.peer, self.url = peer, url
        self._process = psutil.Process(process.pid)

    def run(self, prompts: list[str], tokens: int) -> Measured:
        """Ask all prompts at once. Raises RuntimeError where an answer fails or is too short."""
        bodies = [self.peer.body(prompt, tokens) for prompt in prompts]
        before = self._cpu()
        streams = ask_all(f"{self.url}/v1/chat/completions", bodies)
        cpu = self._cpu() - before
        count = sum(stream.tokens for stream in streams)
        if count < tokens * len(prompts):
            raise RuntimeError(f"gave {count} tokens of {tokens * len(prompts)}")
        return self._measured(streams, count, cpu)

    def _measured(self, streams: list[Stream], count: int, cpu: float) -> Measured:
        begun = min(stream.sent for stream in streams)
        ended = max(stream.arrived[-1] for stream in streams)
        firsts = [stream.first * 1000 for stream in streams]
        gaps = [gap * 1000 for stream in streams for gap in stream.gaps]
        return Measured(
            rate=count / (ended - begun),
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
    """The server on a free port; it and its children have ended when the block is left.

    Raises RuntimeError with the end of its log where it does not start.
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
    """End a server and its children; they are killed where they do not listen."""
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
    return lines[-1][-300:] if lines else "it said nothing"


def measure(peer: Peer, options: argparse.Namespace) -> dict[int, Measured]:
    """All figures of one server, by how many are asked at once."""
    found: dict[int, Measured] = {}
    print(f"{peer.name}: starting …", flush=True)
    with started(peer, options.threads) as server:
        server.run([question(9000)], 4)  # the first request is slower
        number = 0
        for at_once in options.at_once:
            runs = []
            for _ in range(options.runs):
                prompts = [question(number + n) for n in range(at_once)]
                number += at_once
                runs.append(server.run(prompts, options.tokens))
            found[at_once] = Measured.medians(runs)
            print(
                f"{peer.name}: {at_once} at once, {found[at_once].rate:.1f} tokens/s,"
                f" first after {found[at_once].first:.0f} ms",
                flush=True,
            )
    return found


def rows(peer: Peer, found: dict[int, Measured], ours: dict[int, Measured]) -> list[list[str]]:
    """Lines of the table."""
    lines = []
    for at_once, it in found.items():
        own = ours.get(at_once)
        rate = f"{own.rate / it.rate:.2f}" if own else "–"
        first = f"{own.first / it.first:.3g}" if own else "–"
        lines.append(
            [
                f"{peer.name}, {peer.precision}",
                str(at_once),
                f"{it.rate:.1f}",
                rate,
                f"{it.stream_rate:.1f}",
                f"{it.first:.0f}",
                f"{it.first_p95:.0f}",
                first,
                f"{it.gap:.0f}",
                f"{it.gap_p95:.0f}",
                f"{it.memory:.0f}",
                f"{it.cpu:.1f}",
            ]
        )
    return lines


def compare(options: argparse.Namespace) -> tuple[list[list[str]], list[str]]:
    """The lines of the table, and what was not run and why."""
    peers = all_peers(max(options.at_once), options.peers, options.vllm_python)
    ours: dict[int, Measured] = {}
    lines: list[list[str]] = []
    absent: list[str] = []
    for peer in peers:
        if options.only and not any(name in peer.name for name in options.only):
            continue
        if peer.missing:
            absent.append(f"{peer.name}: {peer.missing}")
            print(f"{peer.name}: not run: {peer.missing}", flush=True)
            continue
        try:
            found = measure(peer, options)
        except RuntimeError as error:
            absent.append(f"{peer.name}: {error}")
            print(f"{peer.name}: failed: {error}", flush=True)
            continue
        ours = ours or (found if peer.name == "ours" else {})
        lines += rows(peer, found, ours)
    return lines, absent


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--at-once", type=int, nargs="+", default=[1, 4, 8, 16], help="numbers of requests at once"
    )
    parser.add_argument("--tokens", type=int, default=48, help="length of each answer")
    parser.add_argument("--runs", type=int, default=3, help="medians of so many are shown")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument(
        "--peers", default=sys.executable, metavar="PYTHON",
        help="a Python with transformers[serving] (default: this one, if it has it)",
    )  # fmt: skip
    parser.add_argument("--vllm-python", metavar="PYTHON", help="a Python with vLLM's CPU build")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="servers whose names have one of these"
    )
    parser.add_argument("--quick", action="store_true", help="one short run, to see that it works")
    parser.add_argument("--write", action="store_true", help="put it into docs/benchmarks.md")
    options = parser.parse_args()
    if min(*options.at_once, options.runs, options.threads) < 1 or options.tokens < 2:
        parser.error("--at-once, --runs and --threads are at least 1, --tokens at least 2.")
    if options.write and options.only:
        parser.error("--write puts all servers into the page; leave --only out.")
    if options.quick:
        options.runs, options.tokens, options.at_once = 1, 8, [1, 4]
    return options


def main() -> None:
    """Measure, print, and with --write put the table into docs/benchmarks.md."""
    options = parse()
    load = load_before()
    lines, absent = compare(options)
    if not lines:
        sys.exit("No server could be measured.")
    parts = [
        f"{machine()}, torch {version('torch')}, transformers {version('transformers')},"
        f" {options.threads} threads; {options.tokens} tokens a stream, medians of {options.runs}"
        f" runs; {load}.",
        table(HEAD, lines),
    ]
    if absent:
        parts.append("Not measured:\n\n" + "\n".join(f"- {one}." for one in absent))
    text = "\n\n".join(parts)
    print(text)
    if options.write:
        write_section("serve", text)


if __name__ == "__main__":
    main()
