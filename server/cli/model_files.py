"""`chatzoo fetch`, `convert` and `apply-delta`: commands that write model files."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from bots.commands import apply_delta as deltas
from bots.commands import convert as conversion
from bots.commands.fetch import fetch_builtin
from bots.commands.model_files import is_recognised
from server.cli.flags import Out
from server.cli.progress import show_progress


def fetch() -> None:
    """Download the built-in model, so that workers start without a download."""
    with show_progress("loading") as progress:
        fetch_builtin(progress)
    print("The built-in model is in place.")


def convert(
    model: Annotated[str, typer.Argument(help="A folder or a hub id.", show_default=False)],
    out: Out,
    type: Annotated[
        str | None, typer.Option(help="Model family, where the files do not show it.")
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help=r"float32, bfloat16 or float16. [dim]\[default: as in the files][/]"),
    ] = None,
) -> None:
    """Write original files (MOSS, ChatGLM, InternLM2, pickles) as native safetensors.

    GPTQ weights, and MOSS's int4 and int8, stay quantized. ChatGLM's int4 and int8 become full-size
    weights, in float16 unless --dtype is given. A tokenizer.json with the same ids is added where
    other tools have no such tokenizer. Needs memory for a gigabyte of weights and one tensor.
    """
    with show_progress("converting") as progress:
        size = conversion.convert(model, out, progress, family=type, dtype=dtype)
    print_written(out, size)


def apply_delta(
    base: Annotated[str, typer.Option(help="The base model: a folder or a hub id.")],
    delta: Annotated[str, typer.Option(help="The published difference: a folder or a hub id.")],
    out: Out,
    type: Annotated[
        str | None,
        typer.Option(help="Model family, where the name of delta or base does not show it."),
    ] = None,
) -> None:
    """Add weights that were published as a difference (EduChat, Vicuna v1.1) to their base.

    Needs memory for a gigabyte of weights and two tensors.
    """
    with show_progress("adding") as progress:
        size = deltas.apply_delta(base, delta, out, progress, family=type)
    print_written(out, size)


def print_written(out: Path, size: int) -> None:
    """Print how many bytes of weights were written to `out`, and the command that serves them."""
    family = "" if is_recognised(out) else " --type FAMILY"
    print(f"Wrote {size / 1e6:,.1f} MB of weights. To serve it:")
    print(f"  chatzoo serve --pretrained-path {shlex.quote(str(out))}{family}")
