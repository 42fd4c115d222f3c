"""`chatzoo compare`: one prompt for several workers, their answers side by side."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Annotated, Any

import typer
from rich.console import Console

from bots.errors import ConfigError
from server.cli.flags import ApiKey, AsJson, Set, System
from server.cli.panes import Pane, show_in_turn, show_side_by_side
from server.cli.request_settings import parse_settings, split_settings
from server.cli.terminal_text import replace_surrogates, show_controls
from server.client.worker import WorkerClient, WorkerError


def compare(
    prompt: Annotated[str, typer.Argument(help="The prompt for all of them.")],
    worker: Annotated[
        list[str], typer.Option(help="A worker's URL; repeat it.", show_default=False)
    ],
    system: System = None,
    settings: Set = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Send one prompt to several workers and show their answers side by side.

    The exit code is 1 if any of them failed.
    """
    code = compare_workers(
        worker,
        prompt,
        api_key=api_key,
        system=system,
        settings=parse_settings(settings or []),
        as_json=as_json,
    )
    raise typer.Exit(code)


def compare_workers(
    urls: Sequence[str],
    prompt: str,
    *,
    api_key: str | None = None,
    system: str | None = None,
    settings: Mapping[str, Any],
    as_json: bool = False,
    console: Console | None = None,
) -> int:
    """Send `prompt` to all workers at once and show their answers.

    Returns the exit code: 1 if any worker failed. Raises ConfigError for a wrong URL, and for a
    setting that no worker has.
    """
    console = console or Console(highlight=False, emoji=False)
    prompt, system = replace_surrogates(prompt), system and replace_surrogates(system)
    panes = asyncio.run(_ask_all(urls, prompt, api_key, system, settings, as_json, console))
    if as_json:
        request = {"prompt": prompt, "system": system, "settings": dict(settings)}
        answers = [pane.as_json() for pane in panes]
        print(json.dumps({**request, "answers": answers}, indent=2, ensure_ascii=False))
    return 1 if any(pane.error for pane in panes) else 0


async def _ask_all(
    urls: Sequence[str],
    prompt: str,
    api_key: str | None,
    system: str | None,
    settings: Mapping[str, Any],
    quiet: bool,
    console: Console,
) -> list[Pane]:
    """The panes with their answers; shown while they grow, unless `quiet`."""
    async with AsyncExitStack() as stack:
        panes = [await _open(stack, url, api_key) for url in urls]
        await asyncio.gather(*(_introduce(pane, settings) for pane in panes))
        _check_settings(panes, settings)
        messages = [{"role": "user", "content": prompt}]
        tasks = [asyncio.create_task(_ask(pane, messages, system)) for pane in panes]
        try:
            if quiet:
                await asyncio.gather(*tasks)
            elif console.is_terminal:
                await show_side_by_side(panes, tasks, console)
            else:
                await show_in_turn(panes, tasks, console)
        finally:
            # On Ctrl-C: closing the streams makes the workers stop their answers.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return panes


async def _open(stack: AsyncExitStack, url: str, api_key: str | None) -> Pane:
    try:
        client = await stack.enter_async_context(WorkerClient(url, api_key))
    except ValueError as error:
        raise ConfigError(f"{url!r}: {error}.") from None
    return Pane(client, client.url)


async def _introduce(pane: Pane, settings: Mapping[str, Any]) -> None:
    """Fill in the worker's name and its settings, or its error."""
    try:
        pane.name = show_controls(str((await pane.client.info())["name"]))
        pane.params, pane.left_out = await split_settings(pane.client, settings)
    except WorkerError as error:
        pane.error = error


def _check_settings(panes: Sequence[Pane], settings: Mapping[str, Any]) -> None:
    """Raise ConfigError for a setting that no worker has: most likely a typing error."""
    for name in settings:
        if all(name in pane.left_out for pane in panes):
            raise ConfigError(f"No worker has the setting {name!r}.")


async def _ask(pane: Pane, messages: list[dict[str, str]], system: str | None) -> None:
    """Fill in the pane's answer, or its error."""
    if pane.error:
        return
    try:
        stream = pane.client.generate(messages, pane.params, system)
        async with aclosing(stream) as answers:
            async for answer in answers:
                pane.answer = answer
    except WorkerError as error:
        pane.error = error
