"""What `chatzoo quantize` tells when it is done: the model before and after, side by side."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bots.commands.perplexity import QUESTIONS
from bots.commands.quantize import Comparison


def show(made: Comparison, console: Console | None = None) -> None:
    """Print sizes, perplexities and answers."""
    before, after = made.before, made.after
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
    table.add_row("seconds", "", f"{made.seconds:.0f}")
    console = console or Console()
    console.print(table)
    if made.not_resumed:
        console.print(escape(f"Interrupted, it would have begun anew: {made.not_resumed}."))
