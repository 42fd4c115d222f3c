"""Memory of an idle worker with the built-in model."""

import argparse
import time
from pathlib import Path

import httpx
import psutil

from benchmarks.report import machine, table, write_section
from bots.checkpoints.builtin import resolve
from tests.support import running_worker

MODEL = "builtin:smollm2"
SETTLE = 2.0
"""Seconds in which memory that loading used is released."""


def measure() -> list[tuple[str, float]]:
    """Start a worker and return the rows of the table: (what, bytes)."""
    with running_worker("--pretrained-path", MODEL) as worker:
        time.sleep(SETTLE)
        process = psutil.Process(worker.process.pid)
        resident = process.memory_info().rss
        maps = process.memory_maps()
        held = httpx.get(f"{worker.url}/info").raise_for_status().json()["memory"]["weights"]
    files = {str(file): file.stat().st_size for file in Path(resolve(MODEL)).glob("*.safetensors")}
    weights = sum(files.values())
    return [
        ("resident in all", resident),
        ("the model's weights, once", weights),
        ("beside the weights", resident - weights),
        ("weights as the engine holds them", held),
        ("files of weights that are mapped", sum(one.rss for one in maps if one.path in files)),
        ("libraries that are mapped", sum(one.rss for one in maps if ".so" in one.path)),
    ]


def main() -> None:
    """Measure and print; with --write also update docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows = [[what, f"{size / 1e6:.0f}"] for what, size in measure()]
    text = f"{machine()}; `{MODEL}` in float32.\n\n{table(['', 'MB'], rows)}"
    print(text)
    if options.write:
        write_section("idle", text)


if __name__ == "__main__":
    main()
