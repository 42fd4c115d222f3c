"""`chatzoo up`: the workers of a zoo file, and the page."""

from pathlib import Path
from typing import Annotated

import typer

from server.http import logs
from server.hub.console import HubConsole
from server.hub.run import up as run_hub
from server.hub.zoo import load_zoo


def up(
    zoo: Annotated[
        Path, typer.Argument(help="Zoo file: which workers to start, and how.", show_default=False)
    ],
    host: Annotated[
        str | None,
        typer.Option(help=r"Address to listen on. [dim]\[default: the file's, or 127.0.0.1][/]"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help=r"Port of the page. [dim]\[default: the file's, or 8080][/]"),
    ] = None,
) -> None:
    """Start the workers of a zoo file and the page that compares them.

    Workers that end are started again. Ctrl-C drains: running answers finish, then all processes
    end; a second Ctrl-C ends them at once.
    """
    loaded = load_zoo(zoo, host=host, port=port)
    logs.configure("info", "auto")
    run_hub(loaded, HubConsole(loaded.workers))
