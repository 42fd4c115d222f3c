"""`chatzoo serve`: one worker; and the hidden `chatzoo openapi`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bots.registry.registry import choose_bot
from server.cli.options import takes_options_of
from server.worker.app import create_app
from server.worker.config import WorkerConfig, load_config
from server.worker.process import serve as run_worker


@takes_options_of(WorkerConfig)
def serve(
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with these options; flags and environment win.",
            rich_help_panel="Process",
        ),
    ] = None,
    **flags: object,
) -> None:
    """Serve one model over HTTP.

    Every flag can be given as an environment variable (CHATZOO_MAX_QUEUE for --max-queue) or in
    the --config file. A flag wins over the environment, the environment over the file.
    """
    run_worker(load_config(flags, config))


def print_openapi() -> None:
    """Print the worker's OpenAPI document; the page's types are generated from it."""
    document = create_app(choose_bot(family="echo")(), load_config({"type": "echo"}, env={}))
    print(json.dumps(document.openapi(), indent=2, ensure_ascii=False))
