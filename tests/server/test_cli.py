"""The command line itself: what it says, and with which exit code."""

import pytest

from server.cli import main
from server.worker import package_version


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    assert isinstance(left.value.code, int)
    return left.value.code


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == package_version()


@pytest.mark.parametrize("command", ["serve", "up", "chat", "compare", "list"])
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
