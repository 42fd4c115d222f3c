"""Flags that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

ApiKey = Annotated[
    str | None, typer.Option(envvar="CHATZOO_API_KEY", help="Key that the worker requires.")
]
System = Annotated[str | None, typer.Option(help="System text in front of the conversation.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the requests; repeat it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Out = Annotated[Path, typer.Option(help="Folder to write; it must not exist yet.")]
