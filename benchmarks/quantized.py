"""Speed, memory, size and perplexity of one model in every form that a worker supports.

Each form is served by a worker of its own, one after the other. Where `--gptq` names a folder that
does not exist, the GPTQ form is made first, which needs GPTQModel.
"""

import argparse
import math
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx
import psutil
import torch
import transformers

from benchmarks.report import Watch, machine, table, write_section
from benchmarks.sides import MODEL, Http
from bots.checkpoints.builtin import resolve
from bots.checkpoints.quantized.libraries import LIBRARIES
from bots.commands.perplexity import WINDOW
from tests.support import running_worker

TEXT = Path(__file__).parent.parent / "docs"
JUDGED = 1536
"""Tokens of the documentation on which perplexity is measured; the rest calibrates GPTQ."""


@dataclass(frozen=True)
class Form:
    """One row of the table: the flags of its worker, and the files that it loads."""

    name: str
    flags: tuple[str, ...]
    files: tuple[Path, ...]


def forms(gptq: Path | None) -> list[Form]:
    """All forms for which the libraries are installed; GPTQ where its folder is given."""
    full = tuple(Path(resolve(MODEL)).glob("*.safetensors"))
    packed = Path(resolve(f"{MODEL}-gguf"))
    found = [
        Form("float32", ("--pretrained-path", MODEL, "--dtype", "float32"), full),
        Form("float16 weights", ("--pretrained-path", MODEL, "--dtype", "float16"), full),
        Form("bfloat16", ("--pretrained-path", MODEL, "--dtype", "bfloat16"), full),
        *(
            Form(f"{way}, made on load", ("--pretrained-path", MODEL, "--quantization", way), full)
            for way, library in (("int8", None), *LIBRARIES.items())
            if library is None or find_spec(library)
        ),
    ]
    if gptq is not None:
        files = tuple(gptq.glob("*.safetensors"))
        flags = ("--pretrained-path", str(gptq), "--type", "auto")
        found.append(Form("GPTQ, 4 bits", flags, files))
        found.append(Form("GPTQ, float32", (*flags, "--dtype", "float32"), files))
    gguf = ("--pretrained-path", f"{MODEL}-gguf")
    return [*found, Form("GGUF Q4_1, llama.cpp", gguf, (packed,))]


def judged_text() -> str:
    """The project's documentation, which no model was trained on."""
    return "\n".join(path.read_text("utf-8") for path in sorted(TEXT.glob("*.md")))


def perplexity(url: str, ids: Sequence[int]) -> float:
    """Perplexity of `ids`, from the prompt log-probabilities of the worker at `url`."""
    losses: list[float] = []
    for begin in range(0, len(ids) - 1, WINDOW):
        body = {"prompt": ids[begin : begin + WINDOW], "max_tokens": 0, "echo": True, "logprobs": 0}
        answer = httpx.post(f"{url}/v1/completions", json=body, timeout=600).raise_for_status()
        scored = answer.json()["choices"][0]["logprobs"]["token_logprobs"]
        losses += [-one for one in scored if one is not None]
    return math.exp(statistics.fmean(losses))


def measure(form: Form, ids: Sequence[int], options: argparse.Namespace) -> list[str]:
    """Start a worker for `form`, measure it, and return its row of the table."""
    print(f"{form.name}: starting …", flush=True)
    start = time.monotonic()
    with running_worker(*form.flags, "--threads", str(options.threads)) as worker:
        ready = time.monotonic() - start
        side = Http(worker.url)
        rates: dict[int, list[float]] = {1: [], 4: []}
        side.answer([list(ids[:20])], 4)  # warm-up: the first answer is slower
        for run in range(options.runs):
            for streams, found in rates.items():
                prompts = [list(ids[at * 40 : at * 40 + 40]) for at in range(streams)]
                # Different in each run, so that the prefix cache has none of them.
                prompts = [[*ids[run * 8 + streams :][:2], *prompt] for prompt in prompts]
                found.append(side.answer(prompts, options.tokens).rate)
        info = httpx.get(f"{worker.url}/info").raise_for_status().json()
        resident = psutil.Process(worker.process.pid).memory_info().rss
        score = perplexity(worker.url, ids)
    print(f"{form.name}: {rates}, perplexity {score:.3f}", flush=True)
    weights = info["memory"]["weights"]
    return [
        form.name,
        info["quantization"] or "–",
        f"{sum(file.stat().st_size for file in form.files) / 1e6:.0f}",
        "–" if weights is None else f"{weights / 1e6:.0f}",
        f"{resident / 1e6:.0f}",
        f"{ready:.0f}",
        f"{statistics.median(rates[1]):.1f}",
        f"{statistics.median(rates[4]):.1f}",
        f"{score:.3f}",
    ]


def make_gptq(out: Path, text: str, options: argparse.Namespace) -> str:
    """Make the GPTQ form with `chatzoo quantize`; returns a sentence on how long it took."""
    calibration = out.with_name(f"{out.name}.txt")
    calibration.write_text(text, "utf-8")
    command = ["quantize", MODEL, "--calibration", str(calibration), "--group-size", "64"]
    started = [sys.executable, "-c", "from server.cli.main import main; main()"]
    start = time.monotonic()
    subprocess.run([*started, *command, "--out", str(out)], check=True)
    seconds = time.monotonic() - start
    shown = shlex.join(["chatzoo", *command[:2], "--group-size", "64"])
    return f" `{shown} …` took {seconds / 60:.0f} minutes, judging included."


def main() -> None:
    """Measure all forms and print the table; with --write also update docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gptq", type=Path, help="the GPTQ form's folder; made if missing")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=psutil.cpu_count(logical=False) or 1)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    watch = Watch()
    text = judged_text()
    tokenizer = transformers.AutoTokenizer.from_pretrained(resolve(MODEL))
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    note = ""
    if options.gptq is not None and not options.gptq.exists():
        note = make_gptq(options.gptq, tokenizer.decode(ids[JUDGED:]), options)
    rows = [measure(form, ids[:JUDGED], options) for form in forms(options.gptq)]
    head = ["form", "runs as", "files, MB", "weights in memory, MB", "resident, MB"]
    head += ["ready after, s", "tokens/s, 1 stream", "tokens/s, 4 streams", "perplexity"]
    facts = (
        f"{machine()}, torch {torch.__version__}, {options.threads} threads; {options.tokens}"
        f" tokens a stream, medians of {options.runs} runs; perplexity of {JUDGED} tokens of this"
        f" documentation in windows of {WINDOW}; {watch.words()}.{note}"
    )
    written = f"{facts}\n\n{table(head, rows)}"
    print(written)
    if options.write:
        write_section("quantized", written)


if __name__ == "__main__":
    main()
