"""Options: flags over environment over file, and errors that name the option."""

from pathlib import Path
from typing import Any

import pytest

from bots.errors import ConfigError
from bots.settings import BotConfig
from server.http.address import is_loopback
from server.worker.config import WorkerConfig, load_config, parse_config


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text("max-queue: 1\nmax_messages: 2\nname: file\n")
    env = {"CHATZOO_MAX_QUEUE": "3", "CHATZOO_NAME": "env", "CHATZOO_CACHE": "elsewhere"}
    config = load_config({"name": "flag", "port": None}, file, env)
    assert (config.name, config.max_queue, config.max_messages) == ("flag", 3, 2)
    assert config.port == 8081


def test_origins_come_as_a_list_or_with_commas() -> None:
    env = {"CHATZOO_ALLOW_ORIGIN": "http://a:1, https://b"}
    assert load_config({}, env=env).allow_origin == ["http://a:1", "https://b"]
    assert load_config({"allow_origin": ["http://a/"]}, env={}).allow_origin == ["http://a"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"dtype": "int3"}, "'dtype'.*'float32'"),
        ({"port": 70000}, "'port'"),
        ({"allow_origin": ["*"]}, "is not an origin"),
        ({"max_queue": -1}, "'max-queue'"),
        ({"devices": "banana"}, "none of auto, cpu"),
        ({"api_key": ""}, "'api-key': An API key is printable ASCII"),
        ({"api_key": "schlüssel"}, "'api-key': An API key is printable ASCII"),
        ({"api_key": "a\nb"}, "'api-key': An API key is printable ASCII"),
        ({"max_quee": 1}, "no option 'max-quee'"),
    ],
)
def test_a_wrong_value_names_the_option(flags: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(flags, env={})


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "not YAML"), ("- 1", "no options"), ("prot: 1", "no option 'prot'")],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_config({}, file, {})


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Cannot read"):
        load_config({}, tmp_path / "none.yaml", {})


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"name": "A"}, "A"),
        ({"pretrained_path": "owner/model"}, "model"),
        ({"pretrained_path": "/models/x/"}, "x"),
        ({"type": "echo"}, "echo"),
        ({"pretrained_path": "http://127.0.0.1:11434/v1#llama3.2"}, "llama3.2"),
        ({"pretrained_path": "http://gpu-box:8000/v1"}, "gpu-box:8000"),
        ({"pretrained_path": "http://bob:secret@gpu-box:8000/v1"}, "gpu-box:8000"),
        ({"bot": "a/b.py:Mine"}, "Mine"),
    ],
)
def test_the_name_that_people_see(options: dict[str, str], name: str) -> None:
    assert parse_config(options).display_name == name


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False)],
)
def test_loopback_addresses(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("devices", ["auto", "cpu", "0", "0,1", "cuda:1,2", 0])
def test_devices(devices: str | int) -> None:
    assert load_config({"devices": devices}, env={}).devices == str(devices)


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(load_config({"api_key": "secret"}, env={}))


def test_the_bot_gets_its_options_and_the_name_that_people_see() -> None:
    given: dict[str, Any] = {
        "pretrained_path": "owner/model",
        "dtype": "float32",
        "threads": 2,
        "max_running": 3,
    }
    bot = load_config({**given, "port": 9000}, env={}).bot_config()
    assert type(bot) is BotConfig
    assert bot == BotConfig(**given | {"name": "model"})


@pytest.mark.parametrize("name", ["", None])
def test_an_empty_name_in_a_file_is_none(name: str | None) -> None:
    assert parse_config({"type": "echo", "name": name}).display_name == "echo"


def test_defaults_are_not_shared() -> None:
    WorkerConfig().allow_host.append("changed")
    assert WorkerConfig().allow_host == []
