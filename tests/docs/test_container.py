"""Dockerfile, .dockerignore and compose.yaml, compared with the project and each other.

Nothing is run, because that needs a Docker engine.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.hub.supervisor import DRAIN_MARGIN
from server.hub.zoo import load_zoo
from server.worker.config import WorkerConfig
from tests.docs.pages import ROOT, read


def instructions(name: str = "Dockerfile") -> list[tuple[str, str]]:
    """The (INSTRUCTION, arguments) of a Dockerfile, without comments, continued lines joined."""
    lines = [line for line in read(name).splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


DOCKERFILE = instructions()
COMPOSE: dict[str, Any] = yaml.safe_load(read("compose.yaml"))
[SERVICE] = COMPOSE["services"].values()


def values(instruction: str) -> list[str]:
    return [rest for word, rest in DOCKERFILE if word == instruction]


def test_it_has_two_stages_with_the_python_that_the_project_needs() -> None:
    assert len(values("FROM")) == 2
    assert all(image.startswith("python:3.11-slim") for image in values("FROM"))


def test_it_does_not_run_as_root() -> None:
    [user] = values("USER")
    assert int(user) > 0
    at = DOCKERFILE.index(("USER", user))
    assert not [one for one in DOCKERFILE[at:] if one[0] in ("RUN", "COPY", "ADD")]
    assert f"--uid {user}" in " ".join(values("RUN"))


def test_the_health_check_uses_the_port_of_the_command() -> None:
    [check] = values("HEALTHCHECK")
    [environment] = values("ENV")
    assert "HEALTH_URL=http://127.0.0.1:8080/healthz" in environment
    assert "HEALTH_URL" in check


def command() -> list[str]:
    [entry], [rest] = values("ENTRYPOINT"), values("CMD")
    words: list[str] = [*json.loads(entry), *json.loads(rest)]
    return words


def test_its_command_starts_the_demo_on_the_ports_that_it_exposes() -> None:
    words = command()
    assert words[:2] == ["chatzoo", "up"]
    zoo = load_zoo(ROOT / words[2], host=words[words.index("--host") + 1])
    ports = {str(port) for port in (zoo.port, *(one.options.port for one in zoo.workers))}
    assert zoo.host == "0.0.0.0"
    assert set(" ".join(values("EXPOSE")).split()) == ports
    assert {mapping.rpartition(":")[2] for mapping in SERVICE["ports"]} == ports


def test_compose_admits_this_machine_only_and_keeps_port_numbers() -> None:
    for mapping in SERVICE["ports"]:
        address, outside, inside = mapping.split(":")
        assert address == "127.0.0.1"
        assert outside == inside


def test_models_are_kept_in_the_volume() -> None:
    [volume] = values("VOLUME")
    [mounted] = SERVICE["volumes"]
    name, _, target = mounted.partition(":")
    assert target == volume
    assert name in COMPOSE["volumes"]
    [environment] = values("ENV")
    assert f"CHATZOO_CACHE={volume}/" in environment


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = re.findall(r"^!(\S+)$", read(".dockerignore"), re.MULTILINE)
    for arguments in values("COPY"):
        for source in arguments.split()[:-1]:
            assert (ROOT / source).exists()
            assert source in kept


@pytest.mark.parametrize("secret_or_heavy", [".git", ".venv", "tests"])
def test_what_an_image_must_not_hold_is_ignored(secret_or_heavy: str) -> None:
    ignored = read(".dockerignore").splitlines()
    assert "*" in ignored
    assert f"!{secret_or_heavy}" not in ignored


def test_compose_waits_longer_than_a_worker_drains() -> None:
    drains = WorkerConfig().drain_timeout + DRAIN_MARGIN
    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > drains


def test_both_files_state_that_they_were_not_run() -> None:
    for name in ("Dockerfile", "compose.yaml"):
        assert "Not run by us" in Path(ROOT / name).read_text("utf-8")
