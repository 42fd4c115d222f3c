"""Work on model files that the command line offers. Importing this imports no model library."""

from pathlib import Path

from bots import family_of, find_bot
from bots.chatbot import Progress
from bots.errors import ConfigError

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
