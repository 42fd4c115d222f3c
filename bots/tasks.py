"""Work on model files that the command line offers. Importing this imports no model library."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bots import choose_bot, family_of, find_bot
from bots.chatbot import Progress
from bots.errors import ConfigError
from bots.measure import Measured, measure
from bots.settings import BotConfig

DTYPES = ("float32", "bfloat16", "float16")


def convert(
    model: str,
    out: Path,
    progress: Progress,
    *,
    family: str | None = None,
    dtype: str | None = None,
) -> int:
    """Write a model's original files natively to `out`; see `bots.checkpoints.convert`.

    `model` is a folder or a hub id; `family` is told by it unless given. Returns the bytes of its
    weights. Raises ConfigError or LoadError.
    """
    if dtype not in (None, *DTYPES):
        raise ConfigError(f"dtype: {dtype!r} is none of {', '.join(DTYPES)}.", param="dtype")
    family = family or family_of(model)
    find_bot(family=family)
    import torch

    from bots.checkpoints.convert import convert as write
    from bots.checkpoints.source import Source

    folder = Source(model, progress, option="model").whole()
    return write(folder, out, family, progress, dtype=getattr(torch, dtype) if dtype else None)


def apply_delta(base: str, delta: str, out: Path, progress: Progress) -> int:
    """Write base + delta to `out`; see `bots.checkpoints.delta`.

    Returns the bytes of its weights. Raises ConfigError or LoadError.
    """
    from bots.checkpoints.delta import apply_delta as write
    from bots.checkpoints.source import Source

    old = Source(base, progress, option="base").whole()
    new = Source(delta, progress, option="delta").whole()
    return write(old, new, out, progress)


METHODS = ("gptq",)
BITS = (2, 3, 4, 8)
ROW, ROWS = 512, 128
"""Tokens of a row of calibration, and how many rows at most."""
HELD_BACK = 0.1
"""Share of the calibration's text that only judges the result."""


@dataclass(frozen=True)
class Form:
    """A checkpoint as it is loaded by default: bytes of its weight files, and what it is like."""

    size: int
    measured: Measured


@dataclass(frozen=True)
class Quantised:
    """What a quantisation took, in seconds, and made."""

    seconds: float
    before: Form
    after: Form


def quantize(
    model: str,
    out: Path,
    progress: Progress,
    *,
    calibration: Path,
    method: str = "gptq",
    bits: int = 4,
    group_size: int = 128,
) -> Quantised:
    """Write a quantised form of a native model to `out`, and compare the two.

    `calibration` is a text like those that the model will see; its last tenth is left out of the
    calibration and judges the result. Raises ConfigError or LoadError.
    """
    if method not in METHODS:
        raise ConfigError(f"method: {method!r} is none of {', '.join(METHODS)}.", param="method")
    if bits not in BITS:
        raise ConfigError(f"bits: {bits} is none of {', '.join(map(str, BITS))}.", param="bits")
    if out.exists():
        raise ConfigError(f"{str(out)!r} exists already: name a folder that does not.", param="out")
    text = _text(calibration)

    from bots.checkpoints.gptq import quantize as make
    from bots.checkpoints.load import Checkpoint
    from bots.checkpoints.native import same_names
    from bots.checkpoints.source import Source

    folder = Source(model, progress, option="model").whole()
    checkpoint = Checkpoint(folder)
    if checkpoint.quantised or checkpoint.config.get("quantization_config"):
        raise ConfigError(f"{model!r} is quantised already.", param="model")
    if checkpoint.native.targets is not same_names:
        raise ConfigError(
            f"{model!r} has original files: make them native first, by `chatzoo convert`.",
            param="model",
        )
    before, rows, ids = _before(model, text, progress)
    begun = time.monotonic()
    make(folder, out, rows, progress, bits=bits, group_size=group_size)
    seconds = time.monotonic() - begun
    progress("judging", None)
    bot = _loaded(str(out), family_of(model), progress)
    try:
        after = Form(_size(out), measure(bot, ids))
    finally:
        bot.close()
    return Quantised(seconds, before, after)


def _before(
    model: str, text: str, progress: Progress
) -> tuple[Form, Sequence[Sequence[int]], Sequence[int]]:
    """What the model is like; the calibration's rows of ids, and the ids that judge."""
    bot = _loaded(model, None, progress)
    try:
        ids = bot.tokenizer.encode(text, add_special_tokens=False)
        kept = len(ids) - int(len(ids) * HELD_BACK)
        row = min(ROW, bot.info().context_length or ROW)
        rows = [ids[at : min(at + row, kept)] for at in range(0, kept, row)][:ROWS]
        judging = ids[kept:]
        if len(judging) < ROW // 8:
            raise ConfigError(
                f"calibration: {len(ids)} tokens are too few; give some thousands.",
                param="calibration",
            )
        folder = Path(bot.checkpoint.folder)
        return Form(_size(folder), measure(bot, judging)), rows, judging
    finally:
        bot.close()


def _loaded(path: str, family: str | None, progress: Progress) -> Any:
    bot: Any = choose_bot(path, family=family)(BotConfig(path))
    bot.load(progress)
    return bot


def _size(folder: Path) -> int:
    from bots.checkpoints.shards import weight_files

    return sum(file.stat().st_size for file in weight_files(folder))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"calibration: cannot read {str(path)!r}: {error}.", param="calibration"
        ) from error
