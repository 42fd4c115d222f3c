"""`--set name=value` of `chat` and `compare`: parsing, and which settings a worker has."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from bots.errors import ConfigError
from server.cli.terminal_text import replace_surrogates
from server.client.worker import WorkerClient


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Values by name from `["temperature=0.2", "stop=[a, b]"]`; values are read as YAML.

    Raises ConfigError for text that is not a pair.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = replace_surrogates(pair).partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise ConfigError(f"--set {pair!r} is not of the form name=value.")
        try:
            settings[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            settings[name] = value
    return settings


async def split_settings(
    client: WorkerClient, wanted: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The wanted settings that a worker has, and the names of the others.

    Raises WorkerError.
    """
    if not wanted:
        return {}, []
    known = await client.settings()
    return (
        {name: value for name, value in wanted.items() if name in known},
        [name for name in wanted if name not in known],
    )
