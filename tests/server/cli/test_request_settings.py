"""`--set name=value`."""

import asyncio
from typing import Any, cast

import pytest

from bots.errors import ConfigError
from server.cli.request_settings import parse_settings, split_settings
from server.client.worker import WorkerClient


def test_settings_are_read_as_yaml() -> None:
    assert parse_settings(["temperature=0.2", "stop=[a, b]", "top-k=3", "x=a=b", "y="]) == {
        "temperature": 0.2,
        "stop": ["a", "b"],
        "top_k": 3,
        "x": "a=b",
        "y": None,
    }
    assert parse_settings(["stop=a\udcff"]) == {"stop": "a?"}
    for wrong in ("temperature", "=1"):
        with pytest.raises(ConfigError, match="name=value"):
            parse_settings([wrong])


class OneSetting:
    """A client of a worker with a single setting."""

    async def settings(self) -> dict[str, Any]:
        return {"repeat": {}}


def test_settings_that_a_worker_does_not_have_are_named() -> None:
    client = cast("WorkerClient", OneSetting())
    wanted = {"repeat": 2, "warmth": 1}
    assert asyncio.run(split_settings(client, wanted)) == ({"repeat": 2}, ["warmth"])


def test_no_worker_is_asked_without_settings() -> None:
    assert asyncio.run(split_settings(cast("WorkerClient", None), {})) == ({}, [])
