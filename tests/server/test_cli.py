"""The command line itself: what it says, and with which exit code."""

from pathlib import Path

import pytest

from server.cli import main
from server.worker import package_version
from tests.golden_data import GOLDEN


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    assert isinstance(left.value.code, int)
    return left.value.code


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == package_version()


@pytest.mark.parametrize(
    "command", ["serve", "up", "chat", "compare", "list", "convert", "apply-delta"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert f" {command} " in capsys.readouterr().out
    assert run(command, "--help") == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["up", "missing.yaml"], "There is no zoo file 'missing.yaml'."),
        (["chat", "ftp://worker"], "begins with http:// or https://"),
        (["chat", "127.0.0.1:9", "--set", "oops"], "not of the form name=value"),
        (["compare", "--worker", "http://a?b", "hi"], "no '?' and no '#'"),
        (["serve", "--type", "ecko"], "Did you mean 'echo'?"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: ")
    assert told in captured.err
    assert captured.err.count("\n") == 1


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "--worker", "127.0.0.1:9", "hi") == 1
    assert "cannot be reached" in capsys.readouterr().out


def test_convert_and_apply_delta(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both say what they wrote and how to serve it; what cannot be is one sentence and code 2."""
    moss, out, other = str(GOLDEN / "moss"), str(tmp_path / "native"), str(tmp_path / "other")
    assert run("convert", moss, "--out", out) == 0
    assert f"chatzoo serve --pretrained-path {out}" in capsys.readouterr().out
    llama = str(GOLDEN / "llama")
    for arguments, said in (
        (["convert", moss, "--out", out], "exists already"),
        (["convert", out, "--out", other], "native safetensors already"),
        (["convert", out, "--out", other, "--dtype", "int3"], "dtype: 'int3' is none of"),
        (["convert", out, "--out", other, "--type", "mos"], "Did you mean 'moss'"),
        (["apply-delta", "--base", out, "--delta", llama, "--out", other], "of one architecture"),
    ):
        assert run(*arguments) == 2
        assert said in capsys.readouterr().err
    assert run("apply-delta", "--base", out, "--delta", out, "--out", other) == 0
    assert "MB of weights" in capsys.readouterr().out
