"""Memory of a large quantized model: loaded, after one round, after a long prompt.

Makes a MOSS of its real width in its own format, with random weights and the share `--scale` of its
layers, and loads it like a worker does, in a separate process. The published figures for the whole
model (https://github.com/OpenLMLab/MOSS) are for a GPU.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import torch

from benchmarks.report import machine, table, write_section
from bots.commands.writer import Writer
from bots.process_memory import peak_resident
from bots.registry.registry import choose_bot
from bots.settings import BotConfig
from tests.golden_data import GOLDEN

WIDTH, LAYERS, HEADS, VOCABULARY, CONTEXT, GROUP = 6144, 34, 24, 107008, 2048, 128
LINEARS = {
    "attn.qkv_proj": (WIDTH, 3 * WIDTH),
    "attn.out_proj": (WIDTH, WIDTH),
    "mlp.fc_in": (WIDTH, 4 * WIDTH),
    "mlp.fc_out": (4 * WIDTH, WIDTH),
}
TOKENIZER = ("vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json")
ROUND = 8
"""Tokens of each answer."""


def half(*shape: int) -> torch.Tensor:
    """A float16 tensor of small random numbers."""
    return (torch.rand(*shape) * 0.02 - 0.01).half()


def linear(inputs: int, outputs: int, bits: int) -> dict[str, torch.Tensor]:
    """The tensors of a linear layer in MOSS's format: one weight, or GPTQ's four parts."""
    if bits == 16:
        return {"weight": half(outputs, inputs)}
    words = 32 // bits
    low, high = -(1 << 31), (1 << 31) - 1
    codes = torch.randint(low, high, (inputs // words, outputs), dtype=torch.int32)
    zeros = torch.full((inputs // GROUP, outputs // words), 0x77777777, dtype=torch.int32)
    return {
        "qweight": codes,
        "qzeros": zeros,
        "scales": half(inputs // GROUP, outputs).abs(),
        "g_idx": (torch.arange(inputs) // GROUP).int(),
    }


def make(folder: Path, layers: int, bits: int) -> int:
    """Write the checkpoint into `folder`; returns the bytes of its weights."""
    config = json.loads((GOLDEN / "moss_int4" / "config.json").read_text("utf-8"))
    config |= {"n_embd": WIDTH, "n_layer": layers, "n_head": HEADS, "vocab_size": VOCABULARY}
    config |= {"n_positions": CONTEXT, "n_ctx": CONTEXT, "rotary_dim": 64}
    config |= {"wbits": bits, "groupsize": GROUP}
    if bits == 16:
        del config["wbits"], config["groupsize"]
    with Writer(folder) as writer:
        writer.add("transformer.wte.weight", half(VOCABULARY, WIDTH))
        writer.add("lm_head.weight", half(VOCABULARY, WIDTH))
        writer.add("lm_head.bias", half(VOCABULARY))
        for name in ("weight", "bias"):
            writer.add(f"transformer.ln_f.{name}", half(WIDTH) + (name == "weight"))
        for layer in range(layers):
            stem = f"transformer.h.{layer}"
            for name in ("weight", "bias"):
                writer.add(f"{stem}.ln_1.{name}", half(WIDTH) + (name == "weight"))
            for part, (inputs, outputs) in LINEARS.items():
                for name, tensor in linear(inputs, outputs, bits).items():
                    writer.add(f"{stem}.{part}.{name}", tensor)
                if part.startswith("mlp"):
                    writer.add(f"{stem}.{part}.bias", half(outputs))
        writer.add_json("config.json", config)
        writer.copy(GOLDEN / "moss_int4" / name for name in TOKENIZER)
        writer.copy([GOLDEN / "moss_int4" / "tokenizer_config.json"])
    return writer.size


def load(folder: Path, tokens: int) -> dict[str, float]:
    """Load the model, answer twice, print the figures as JSON, and end the process.

    Figures are bytes beside what the libraries take, and seconds of loading.
    """
    import bots.backends.transformers.bot  # noqa: F401 (imported first: its memory is not the model's)

    process, before = psutil.Process(), psutil.Process().memory_info().rss
    found: dict[str, float] = {}
    start = time.monotonic()
    bot = choose_bot(str(folder), family="moss")(BotConfig(str(folder), devices="cpu"))
    bot.load()
    found["seconds"] = time.monotonic() - start
    found["loaded"] = process.memory_info().rss - before
    found["loading, peak"] = (peak_resident() or 0) - before
    settings = bot.Settings.model_validate(
        {"max_new_tokens": ROUND, "temperature": 0, "ignore_eos": True}
    )
    for name, length in (("one round", 32), (f"{tokens} tokens", tokens - ROUND)):
        for _ in bot.run(bot.prepare_text([5 + at % 500 for at in range(length)], settings)):
            pass
        found[f"{name}, peak"] = (peak_resident() or 0) - before
    print(json.dumps(found), flush=True)
    os._exit(0)


def main() -> None:
    """Make, load in another process and print; with --write also update docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.25, help="share of the layers")
    parser.add_argument("--bits", type=int, nargs="+", choices=(4, 8, 16), default=[4])
    parser.add_argument("--tokens", type=int, default=256, help="of the long prompt and answer")
    parser.add_argument("--folder", type=Path, help="where the files are made [default: /tmp]")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.load:
        load(options.load, options.tokens)
    layers = max(1, round(LAYERS * options.scale))
    rows, columns = [], ["files"]
    for bits in options.bits:
        with tempfile.TemporaryDirectory(dir=options.folder) as parent:
            folder = Path(parent) / "moss"
            print(f"{bits} bits, {layers} layers: making …", flush=True)
            size = make(folder, layers, bits)
            print(f"{bits} bits: {size / 1e9:.2f} GB, loading …", flush=True)
            command = [sys.executable, "-m", "benchmarks.memory", "--load", str(folder)]
            command += ["--tokens", str(options.tokens)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(output.splitlines()[-1])
        seconds = found.pop("seconds")
        columns = ["files, GB", *(f"{name}, GB" for name in found), "peak ÷ files", "loaded in, s"]
        rows.append(
            [
                "float16" if bits == 16 else f"int{bits}",
                f"{size / 1e9:.2f}",
                *(f"{one / 1e9:.2f}" for one in found.values()),
                f"{found['loading, peak'] / size:.2f}",
                f"{seconds:.0f}",
            ]
        )
    text = (
        f"{machine()}; MOSS-moon-003's width, {layers} of its {LAYERS} layers, random weights, on"
        f" the CPU.\n\n{table(['weights', *columns], rows)}"
    )
    print(text)
    if options.write:
        write_section("memory", text)


if __name__ == "__main__":
    main()
