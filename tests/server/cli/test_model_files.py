"""`chatzoo convert` and `apply-delta`: what they print. What they write is tested elsewhere."""

from pathlib import Path

import pytest

from bots.registry.registry import family_of
from tests.golden_data import GOLDEN
from tests.server.cli.conftest import run


def test_convert_and_apply_delta(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both print what they wrote and how to serve it; a fault is one sentence and exit code 2."""
    moss, out, other = str(GOLDEN / "moss"), str(tmp_path / "native"), str(tmp_path / "other")
    assert run("convert", moss, "--out", out) == 0
    assert f"chatzoo serve --pretrained-path {out}" in capsys.readouterr().out
    llama = str(GOLDEN / "llama")
    for arguments, message in (
        (["convert", moss, "--out", out], "exists already"),
        (["convert", out, "--out", other], "native safetensors already"),
        (["convert", out, "--out", other, "--dtype", "int3"], "dtype: 'int3' is none of"),
        (["convert", out, "--out", other, "--type", "mos"], "Did you mean 'moss'"),
        (["apply-delta", "--base", out, "--delta", llama, "--out", other], "of one architecture"),
    ):
        assert run(*arguments) == 2
        assert message in capsys.readouterr().err
    assert run("apply-delta", "--base", out, "--delta", out, "--out", other) == 0
    printed = capsys.readouterr().out
    assert "MB of weights" in printed
    assert "--type" not in printed
    plain, named = str(tmp_path / "plain"), str(tmp_path / "named")
    assert run("apply-delta", "--base", llama, "--delta", llama, "--out", plain) == 0
    assert f"chatzoo serve --pretrained-path {plain} --type FAMILY" in capsys.readouterr().out
    family = ["--type", "educhat"]
    assert run("apply-delta", "--base", llama, "--delta", llama, "--out", named, *family) == 0
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
