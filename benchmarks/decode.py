"""Decoding speed of the engine compared with `model.generate` of plain transformers.

Both decode the same token ids in one process and run, in turn; `generate` gets the streams as one
batch. A worker over HTTP decodes them too. A second measurement is the time to first token of a
conversation's second turn, with and without the first turn in the prefix cache.
"""

import argparse
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import transformers

from benchmarks.prompts import history, question
from benchmarks.report import Watch, machine, table, write_section
from benchmarks.sides import MODEL, Http, Ours, Plain, Timing
from tests.support import running_worker

HISTORY, ASKED = 1000, 24
"""Tokens of the first turn, and of the question that the second turn adds."""


@dataclass(frozen=True)
class Turn:
    """Seconds to the first token of a second turn: by `generate`, then without and with the first
    turn in the prefix cache, which supplied `cached` tokens."""

    plain: float
    fresh: float
    reused: float
    cached: int


Sides = tuple[Timing, Timing, Timing]


def second_turn(plain: Plain, ours: Ours, number: int) -> Turn:
    """Measure one run: a prompt that is not cached, as long as the second turn, then both turns."""
    asked = ours.ids(question(number))[:ASKED]
    other = ours.ids(history(number + 1))[: HISTORY + 8] + asked
    fresh = ours.answer([other], 1)
    before = ours.ids(history(number))[:HISTORY]
    answered = ours.answer([before], 8).answers[0]
    reused = ours.answer([before + answered + asked], 1)
    generated = plain.answer([before + answered + asked], 1)
    return Turn(generated.first, fresh.first, reused.first, reused.cached)


def measure(dtype: str, options: argparse.Namespace) -> tuple[dict[int, list[Sides]], list[Turn]]:
    """Measure all runs of one dtype: timings by number of streams, and second turns."""
    print(f"{dtype}: loading …", flush=True)
    plain, ours = Plain(dtype), Ours(dtype)
    rows: dict[int, list[Sides]] = {streams: [] for streams in options.streams}
    turns: list[Turn] = []
    numbers = iter(range(100_000))
    flags = ("--type", "auto", "--pretrained-path", MODEL, "--dtype", dtype, "--threads")
    with running_worker(*flags, str(options.threads)) as worker:
        sides = (plain, ours, Http(worker.url))
        for side in sides:
            side.answer([ours.ids(question(next(numbers)))], 4)  # warm-up: the first is slower
        for run in range(options.runs):
            for streams, found in rows.items():
                prompts = [ours.ids(question(next(numbers))) for _ in range(streams)]
                # Rotate the order, so that no side is always the first.
                order = sorted(range(3), key=lambda at: (at + run) % 3)
                timings = {at: sides[at].answer(prompts, options.tokens) for at in order}
                found.append((timings[0], timings[1], timings[2]))
                rates = ", ".join(f"{timing.rate:.1f}" for timing in found[-1])
                print(f"run {run + 1}, {streams} at once: {rates} tokens/s", flush=True)
            turns.append(second_turn(plain, ours, next(numbers)))
            next(numbers)  # used by `second_turn` for the prompt that is not cached
            print(f"run {run + 1}, second turn: {turns[-1]}", flush=True)
    ours.close()
    return rows, turns


def _row(name: str, found: Sequence[Sequence[float]], digits: int) -> list[str]:
    """Format a row: the median of each side, and of each run's ratios to the first side."""
    columns = list(zip(*found, strict=True))
    cells = [f"{statistics.median(column):.{digits}f}" for column in columns]
    for column in columns[1:]:
        ratios = [own / theirs for own, theirs in zip(column, columns[0], strict=True)]
        cells.append(f"{statistics.median(ratios):.2f} ×")
    return [name, *cells]


def section(dtype: str, rows: dict[int, list[Sides]], turns: list[Turn]) -> str:
    """Format the tables of one dtype."""
    lines, equal, answers = [], 0, 0
    for streams, runs in rows.items():
        name = f"{streams} stream{'s' if streams > 1 else ''}"
        lines.append(_row(f"{name}, tokens/s in all", [[t.rate for t in run] for run in runs], 1))
        firsts = [[t.first * 1000 for t in run] for run in runs]
        lines.append(_row(f"{name}, first token, ms", firsts, 0))
        for generated, own, _ in runs:
            answers += len(own.answers)
            equal += sum(a == b for a, b in zip(generated.answers, own.answers, strict=True))
    head = ["", "`generate`", "engine", "worker over HTTP", "engine ÷", "worker ÷"]
    times = [[turn.fresh * 1000, turn.reused * 1000, turn.plain * 1000] for turn in turns]
    again = [f"{statistics.median(column):.0f}" for column in zip(*times, strict=True)]
    less = statistics.median(turn.fresh / turn.reused for turn in turns)
    cached = statistics.median(turn.cached for turn in turns)
    length = HISTORY + 8 + ASKED
    second = table(
        ["second turn, first token", "nothing known, ms", "first turn known, ms", "`generate`, ms"],
        [[f"{length} tokens, {cached:.0f} known", *again]],
    )
    return "\n".join(
        [
            f"{dtype}; {equal} of {answers} answers of the engine have the tokens of `generate`.",
            "",
            table(head, lines),
            "",
            second,
            "",
            f"Reuse makes the second turn's first token {less:.1f} times as fast.",
        ]
    )


def main() -> None:
    """Measure and print; with --write also update docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8], help="streams at once")
    parser.add_argument("--tokens", type=int, default=64, help="length of each answer")
    parser.add_argument("--runs", type=int, default=3, help="runs; medians are shown")
    parser.add_argument(
        "--dtype", nargs="+", default=["float32"], choices=["float32", "bfloat16"], metavar="DTYPE",
        help="float32, bfloat16 or both",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--quick", action="store_true", help="one short run, as a check")
    parser.add_argument("--write", action="store_true", help="update docs/benchmarks.md")
    options = parser.parse_args()
    if min(*options.streams, options.runs, options.threads) < 1 or options.tokens < 2:
        parser.error("--streams, --runs and --threads are at least 1, --tokens at least 2.")
    if options.quick:
        options.runs, options.tokens, options.streams = 1, 8, [1, 4]
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    watch = Watch()
    parts = [section(dtype, *measure(dtype, options)) for dtype in options.dtype]
    parts = [
        f"{machine()}, torch {torch.__version__}, transformers {transformers.__version__},"
        f" {options.threads} threads; {options.tokens} tokens a stream, medians of {options.runs}"
        f" runs; {watch.words()}.",
        *parts,
    ]
    text = "\n\n".join(parts)
    print(text)
    if options.write:
        write_section("decode", text)


if __name__ == "__main__":
    main()
