"""Serving over HTTP: our worker compared with other servers, in one run.

Each server runs alone and answers the same prompts, `--at-once` at a time, `--tokens` each. Servers
that are not installed are skipped and listed below the table.
"""

import argparse
import os
import sys
from importlib.metadata import version

from benchmarks.peers import Peer, all_peers
from benchmarks.prompts import question
from benchmarks.report import Watch, machine, table, write_section
from benchmarks.servers import Measured, started

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


def measure(peer: Peer, options: argparse.Namespace) -> dict[int, Measured]:
    """Measure one server; returns its figures by the number of requests at once."""
    found: dict[int, Measured] = {}
    print(f"{peer.name}: starting …", flush=True)
    with started(peer, options.threads) as server:
        server.run([question(9000)], 4)  # warm-up: the first request is slower
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
    """Format the rows of one server, with ratios to `ours` at the same number of requests."""
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
    """Measure all servers; returns the rows, and a sentence for each server that did not run."""
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
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--at-once", type=int, nargs="+", default=[1, 4, 8, 16], help="numbers of requests at once"
    )
    parser.add_argument("--tokens", type=int, default=48, help="length of each answer")
    parser.add_argument("--runs", type=int, default=3, help="runs; medians are shown")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument(
        "--peers", default=sys.executable, metavar="PYTHON",
        help="a Python with transformers[serving] (default: this one, if it has it)",
    )  # fmt: skip
    parser.add_argument("--vllm-python", metavar="PYTHON", help="a Python with vLLM's CPU build")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="only servers whose name contains one of these"
    )
    parser.add_argument("--quick", action="store_true", help="one short run, as a check")
    parser.add_argument("--write", action="store_true", help="update docs/benchmarks.md")
    options = parser.parse_args()
    if min(*options.at_once, options.runs, options.threads) < 1 or options.tokens < 2:
        parser.error("--at-once, --runs and --threads are at least 1, --tokens at least 2.")
    if options.write and options.only:
        parser.error("--write needs all servers; leave --only out.")
    if options.quick:
        options.runs, options.tokens, options.at_once = 1, 8, [1, 4]
    return options


def main() -> None:
    """Measure and print; with --write also update docs/benchmarks.md."""
    options = parse()
    watch = Watch()
    lines, absent = compare(options)
    if not lines:
        sys.exit("No server could be measured.")
    parts = [
        f"{machine()}, torch {version('torch')}, transformers {version('transformers')},"
        f" {options.threads} threads; {options.tokens} tokens a stream, medians of {options.runs}"
        f" runs; {watch.words()}.",
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
