"""The command line: `chatzoo COMMAND`, and `python -m server` for `chatzoo serve`.

Each command has a module, and reads only its flags there.
"""

import sys
from typing import Annotated

import typer
from rich.console import Console

from bots.errors import BotError
from server.cli.chat import chat
from server.cli.compare import compare
from server.cli.listing import list_families
from server.cli.model_files import apply_delta, convert, fetch
from server.cli.quantize import quantize
from server.cli.serve import print_openapi, serve
from server.cli.up import up
from server.http.version import package_version

app = typer.Typer(
    name="chatzoo",
    help="Compare chat models side by side on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve)
app.command("up")(up)
app.command("chat")(chat)
app.command("compare")(compare)
app.command("list")(list_families)
app.command("fetch")(fetch)
app.command("convert")(convert)
app.command("apply-delta")(apply_delta)
app.command("quantize")(quantize)
app.command("openapi", hidden=True)(print_openapi)


def print_version(wanted: bool) -> None:
    """Print the version and exit, if `wanted`."""
    if wanted:
        print(package_version())
        raise typer.Exit()


@app.callback()
def chatzoo(
    version: Annotated[
        bool,
        typer.Option(
            # Eager: it must work without a command.
            "--version",
            help="Show the version and exit.",
            is_eager=True,
            callback=print_version,
        ),
    ] = False,
) -> None:
    """Compare chat models side by side on your own machine."""


def with_dashes(arguments: list[str]) -> list[str]:
    """Replace underscores in the names of flags by dashes; the ChatZoo of 2023 had underscores."""

    def fix(argument: str) -> str:
        if not argument.startswith("--"):
            return argument
        name, equals, value = argument.partition("=")
        return name.replace("_", "-") + equals + value

    return [fix(argument) for argument in arguments]


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `chatzoo`: an error of ours is one sentence and exit code 2."""
    given = with_dashes(sys.argv[1:] if arguments is None else arguments)
    try:
        app(given, standalone_mode=True)
    except BotError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"Error: {error.message}", style="red", markup=False
        )
        sys.exit(2)
