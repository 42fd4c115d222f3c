"""The flags of `chatzoo serve`, and the promise that an option is declared once."""

from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import ConfigDict, SecretStr
from pydantic.dataclasses import dataclass
from typer.testing import CliRunner

from bots.options import option, options_of
from server.cli.main import app
from server.cli.options import describe_default, flag_type, help_text, takes_options_of
from server.hub.zoo import load_zoo
from server.worker.config import WorkerConfig, load_config
from tests.docs.test_options import table


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class MoreConfig(WorkerConfig):
    """A worker's options and some more."""

    max_colours: int = option(7, "Limits", "Colours of a `page`", ge=1)
    with_frame: bool = option(True, "Limits", "Draw a frame")
    token: SecretStr | None = option(None, "Process", "A secret")


def parse(*words: str) -> dict[str, Any]:
    """What a command with the flags of `MoreConfig` gets."""
    found: dict[str, Any] = {}
    command = typer.Typer()

    @command.command()
    @takes_options_of(MoreConfig)
    def serve(**flags: object) -> None:
        found.update(flags)

    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    return found


def test_a_declared_option_is_a_flag() -> None:
    found = parse("--max-colours", "5", "--no-with-frame", "--allow-host", "a", "--allow-host", "b")
    assert {name: value for name, value in found.items() if value is not None} == {
        "max_colours": 5,
        "with_frame": False,
        "allow_host": ["a", "b"],
    }
    config = load_config(found, env={}, config=MoreConfig)
    assert isinstance(config, MoreConfig)
    assert (config.max_colours, config.with_frame, config.port) == (5, False, 8081)


def test_a_declared_option_is_in_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    (colours,) = [one for one in options_of(MoreConfig) if one.name == "max_colours"]
    assert help_text(colours) == "Colours of a [bold]page[/]. [dim]\\[default: 7][/]"
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["serve", "--help"]).output
    for one in options_of(WorkerConfig):
        assert (one.flag in shown) is not one.hub_only
        assert f"─ {one.panel} ─" in shown
        if describe_default(one) and not one.hub_only:
            assert f"[default: {describe_default(one)}]" in shown


def test_a_declared_option_is_a_variable_and_a_key_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text("max-colours: 4\nwith_frame: false\n")
    config = load_config({}, file, {"CHATZOO_MAX_COLOURS": "5"}, MoreConfig)
    assert isinstance(config, MoreConfig)
    assert (config.max_colours, config.with_frame) == (5, False)


def test_a_declared_option_is_a_key_of_a_zoo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.hub.zoo.WorkerConfig", MoreConfig)
    zoo = tmp_path / "zoo.yaml"
    zoo.write_text("workers: [{type: echo, max-colours: 5, with-frame: false, token: s3cret}]")
    (worker,) = load_zoo(zoo).workers
    arguments = worker.arguments()
    assert arguments[arguments.index("--max-colours") + 1] == "5"
    assert "--no-with-frame" in arguments
    assert "s3cret" not in " ".join(arguments)
    assert worker.environment()["CHATZOO_TOKEN"] == "s3cret"


def test_a_declared_option_is_a_row_of_the_reference() -> None:
    assert "| `--max-colours` | `CHATZOO_MAX_COLOURS` | 7 | Colours of a `page` |" in table(
        MoreConfig
    )


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (bool, bool),
        (int | None, int),
        (float, float),
        (SecretStr | None, str),
        (list[str], list[str]),
        (list[str] | None, list[str]),
    ],
)
def test_types_of_flags(annotation: Any, kind: Any) -> None:
    assert flag_type(annotation) == kind
