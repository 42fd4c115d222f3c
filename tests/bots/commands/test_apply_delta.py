"""The command `apply-delta`: its options; the sum is tested in test_delta_sum."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from bots.commands.apply_delta import apply_delta
from bots.errors import ConfigError
from bots.registry.registry import family_of
from tests.golden_data import GOLDEN


def nothing(stage: str, done: float | None) -> None:
    """No progress is shown."""


def test_the_family_is_that_of_the_name(tiny_folder: Path, tmp_path: Path) -> None:
    delta = tmp_path / "vicuna-7b-delta-v1.1"
    delta.symlink_to(tiny_folder)
    out = tmp_path / "out"
    apply_delta(str(tiny_folder), str(delta), out, nothing)
    assert family_of(str(out)) == "vicuna-v1.1"
    one, two = (load_file(folder / "model.safetensors") for folder in (tiny_folder, out))
    assert (two["model.norm.weight"] == 2 * one["model.norm.weight"]).all()


def test_an_unknown_family(tmp_path: Path) -> None:
    llama = str(GOLDEN / "llama")
    with pytest.raises(ConfigError, match="Unknown model type 'vicunia'"):
        apply_delta(llama, llama, tmp_path / "out", nothing, family="vicunia")
