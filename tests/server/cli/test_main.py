"""The command line itself: what it says, and with which exit code."""

from pathlib import Path

import pytest

from bots.registry.registry import family_of
from server.cli.main import main
from server.http.version import package_version
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
    "command", ["serve", "up", "chat", "compare", "list", "convert", "apply-delta", "quantize"]
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
    said = capsys.readouterr().out
    assert "MB of weights" in said
    assert "--type" not in said
    plain, named = str(tmp_path / "plain"), str(tmp_path / "named")
    assert run("apply-delta", "--base", llama, "--delta", llama, "--out", plain) == 0
    assert f"chatzoo serve --pretrained-path {plain} --type FAMILY" in capsys.readouterr().out
    told = ["--type", "educhat"]
    assert run("apply-delta", "--base", llama, "--delta", llama, "--out", named, *told) == 0
    assert "--type" not in capsys.readouterr().out
    assert family_of(named) == "educhat"


def test_an_error_of_the_disk_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bots.commands.writer.save_file", full)
    out = tmp_path / "out"
    assert run("convert", str(GOLDEN / "moss"), "--out", str(out)) == 2
    last = capsys.readouterr().err.strip().split("\n")[-1]
    assert last == f"Error: Cannot write {str(out)!r}: [Errno 28] No space left on device"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sentence", ["Run the same command again to go on.", ""])
def test_ctrl_c(
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt(*[sentence] * bool(sentence))

    monkeypatch.setattr("server.cli.main.quantize", stopped)
    out = str(tmp_path / "out")
    assert run("quantize", "./model", "--calibration", "text.txt", "--out", out) == 130
    assert capsys.readouterr().err == f"{sentence or 'Stopped.'}\n"
