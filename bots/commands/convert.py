"""`chatzoo convert`: write a model's original files as native safetensors."""

from pathlib import Path

from bots.commands.model_files import check_paths, fetch_model
from bots.errors import ConfigError
from bots.progress import Progress
from bots.registry.registry import family_of, find_bot

DTYPES = ("float32", "bfloat16", "float16")


def convert(
    model: str,
    out: Path,
    progress: Progress,
    *,
    family: str | None = None,
    dtype: str | None = None,
) -> int:
    """Write the model at `model`, a folder or a hub id, natively to the folder `out`.

    `family` is detected unless given. Floating numbers are stored in `dtype`, one of `DTYPES`, or
    as in the files. Returns the size of the weights in bytes. Raises ConfigError or LoadError.
    """
    if dtype not in (None, *DTYPES):
        raise ConfigError(f"dtype: {dtype!r} is none of {', '.join(DTYPES)}.", param="dtype")
    check_paths(out, model=model)
    family = family or family_of(model)
    find_bot(family=family)  # raises where there is no such family
    # Only now: these take seconds, and wrong options are reported before.
    import torch

    from bots.checkpoints.load_errors import one_sentence
    from bots.commands.native_files import write_native

    chosen = getattr(torch, dtype) if dtype else None
    folder = fetch_model(model, progress, "model")
    with one_sentence("convert", model):
        return write_native(folder, out, family, progress, name=model, dtype=chosen)
