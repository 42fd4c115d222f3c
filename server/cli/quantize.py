"""`chatzoo quantize`: the command, and its report on the model before and after."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bots.commands import quantize as quantization
from bots.commands.perplexity import QUESTIONS
from server.cli.flags import Out
from server.cli.model_files import print_written
from server.cli.progress import show_progress


def quantize(
    model: Annotated[
        str,
        typer.Argument(
            help="A folder or a hub id with native files, or builtin:smollm2.", show_default=False
        ),
    ],
    calibration: Annotated[
        Path, typer.Option(help="A text like those that the model will read, some 60,000 tokens.")
    ],
    out: Out,
    method: Annotated[str, typer.Option(help="gptq, bnb or torchao.")] = "gptq",
    bits: Annotated[
        int | None,
        typer.Option(
            help="gptq: 2, 3, 4 or 8; bnb: 4 or 8; torchao: 8."
            r" [dim]\[default: gptq 4, bnb 4, torchao 8][/]"
        ),
    ] = None,
    group_size: Annotated[
        int | None,
        typer.Option(
            help=r"Inputs that share a scale, for gptq: 32, 64, 128. [dim]\[default: 128][/]"
        ),
    ] = None,
) -> None:
    r"""Quantize a model, and compare the result with the original.

    GPTQ takes minutes to hours and needs GPTQModel: pip install 'chatzoo\[gptq]'. An interrupted
    run is resumed when the same command is given again, for LLaMA and Qwen3-MoE in a folder of
    their own; GPTQModel keeps no unfinished work of other models, nor of files in the hub's cache.
    bnb (LLM.int8(), NF4: pip install 'chatzoo\[bnb]') and torchao (pip install
    'chatzoo\[torchao]') take seconds, and their library must be installed to load the result.
    """
    with show_progress("quantizing") as progress:
        comparison = quantization.quantize(
            model,
            out,
            progress,
            calibration=calibration,
            method=method,
            bits=bits,
            group_size=group_size,
        )
    print_report(comparison)
    print_written(out, comparison.after.size)


def print_report(comparison: quantization.Comparison, console: Console | None = None) -> None:
    """Print sizes, perplexities and sample answers before and after in a table."""
    before, after = comparison.before, comparison.after
    table = Table("", "before", "after", box=None, header_style="bold")
    table.add_row("weights, MB", *(f"{form.size / 1e6:,.1f}" for form in (before, after)))
    tokens = before.measured.tokens
    table.add_row(
        f"perplexity, {tokens:,} tokens",
        *(f"{form.measured.perplexity:.3f}" for form in (before, after)),
    )
    for number, question in enumerate(QUESTIONS):
        answers = (escape(form.measured.answers[number]) for form in (before, after))
        table.add_row(question, *answers)
    table.add_row("seconds", "", f"{comparison.seconds:.0f}")
    console = console or Console()
    console.print(table)
    if comparison.not_resumed:
        console.print(escape(f"An interrupted run could not be resumed: {comparison.not_resumed}."))
