"""The command `convert`: its options; the files that it writes are tested in test_native_files."""

from pathlib import Path

import pytest

from bots.commands.convert import convert
from bots.errors import ConfigError
from bots.registry.registry import family_of
from tests.golden_data import GOLDEN


def nothing(stage: str, done: float | None) -> None:
    """No progress is shown."""


def test_the_family_is_detected_and_noted(tmp_path: Path) -> None:
    out = tmp_path / "out"
    size = convert(str(GOLDEN / "moss"), out, nothing, dtype="bfloat16")
    assert family_of(str(out)) == "moss"
    assert 0 < size < sum(file.stat().st_size for file in out.glob("*.safetensors"))


def test_an_unknown_dtype_and_an_unknown_family(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dtype: 'int8' is none of float32, bfloat16, float16"):
        convert(str(GOLDEN / "moss"), tmp_path / "out", nothing, dtype="int8")
    with pytest.raises(ConfigError, match="Unknown model type 'mos'"):
        convert(str(GOLDEN / "moss"), tmp_path / "out", nothing, family="mos")
