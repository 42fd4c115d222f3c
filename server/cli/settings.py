"""`--set name=value` for requests. Knows the text; which names exist the worker knows."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from bots.errors import ConfigError
from server.cli.answers import well_formed
from server.client.worker import WorkerClient


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """`["temperature=0.2", "stop=[a, b]"]` as values, read as YAML reads them.

    Raises ConfigError for what is no pair.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = well_formed(pair).partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise ConfigError(f"--set {pair!r} is not of the form name=value.")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            found[name] = value
    return found


async def settings_for(
    client: WorkerClient, wanted: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The wanted settings that this worker has, and the names of those it has not.

    Raises WorkerError.
    """
    if not wanted:
        return {}, []
    known = await client.settings()
    return (
        {name: value for name, value in wanted.items() if name in known},
        [name for name in wanted if name not in known],
    )
