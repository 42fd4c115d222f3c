"""The command line itself: help, messages and exit codes."""

import pytest

from server.cli.main import with_dashes
from server.http.version import package_version
from tests.server.cli.conftest import run


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == package_version()


@pytest.mark.parametrize(
    "command", ["serve", "up", "chat", "compare", "list", "convert", "apply-delta", "quantize"]
)
def test_every_command_has_a_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert f" {command} " in capsys.readouterr().out
    assert run(command, "--help") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", "missing.yaml"], "There is no zoo file 'missing.yaml'."),
        (["chat", "ftp://worker"], "begins with http:// or https://"),
        (["chat", "127.0.0.1:9", "--set", "oops"], "not of the form name=value"),
        (["compare", "--worker", "http://a?b", "hi"], "no '?' and no '#'"),
        (["serve", "--type", "ecko"], "Did you mean 'echo'?"),
        (["serve", "--dtype", "int3"], "Option 'dtype'"),
        (["compare", "--worker", "http://☃☃-.com", "hi"], "☃☃-.com"),
        (["compare", "--worker", "127.0.0.1:9", "--api-key", "schlüssel", "hi"], "API key"),
        (["chat", "http://☃☃-.com"], "☃☃-.com"),
        (["chat", "127.0.0.1:9", "--api-key", "sch\nlüssel"], "API key"),
        (["chat", "http://\udcff"], "no URL has"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: ")
    assert message in captured.err
    assert "lüssel" not in captured.err
    assert captured.err.count("\n") == 1


def test_a_worker_that_does_not_run_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "--worker", "127.0.0.1:9", "hi") == 1
    assert "cannot be reached" in capsys.readouterr().out


def test_a_flag_that_is_misspelt(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--modle", "x") == 2
    assert "No such option: --modle" in capsys.readouterr().err


def test_flags_may_have_underscores_and_their_values_keep_them() -> None:
    given = ["serve", "--max_queue=1_0", "--pretrained_path", "my_model"]
    assert with_dashes(given) == ["serve", "--max-queue=1_0", "--pretrained-path", "my_model"]
