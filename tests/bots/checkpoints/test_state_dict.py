"""The state dict of a native model: mapped, cut, tied and ready tensors, and unknown ones."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bots.checkpoints.formats.native_model import keep_names, renamed, split_rows
from bots.checkpoints.shards import Shards
from bots.checkpoints.state_dict import TensorRecipe, state_dict, unchanged
from bots.errors import LoadError

A, B = torch.arange(6.0).view(3, 2), torch.ones(2)


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    save_file({"a": A, "b": B}, tmp_path / "model.safetensors")
    return Shards(tmp_path)


def stored(shards: Shards) -> dict[str, TensorRecipe]:
    return {name: TensorRecipe((name,)) for name in shards.names}


def test_names_are_kept_and_tensors_made_when_indexed(shards: Shards) -> None:
    found = state_dict(shards, stored(shards), keep_names)
    assert shards.open == {}
    assert torch.equal(found["a"][1:], A[1:])
    assert list(shards.open) == shards.files
    assert torch.equal(found["b"][...], B)
    assert shards.open == {}, "the last expected tensor was read"


def test_a_tensor_is_cut_into_several(shards: Shards) -> None:
    found = state_dict(
        shards, stored(shards), lambda name: split_rows((1, 2), "qk") if name == "a" else {}
    )
    assert sorted(found) == ["k", "q"]
    assert torch.equal(found["q"][...], A[:1])
    assert torch.equal(found["k"][...], A[1:])


def test_recipes_of_the_files_come_before_those_of_the_format(shards: Shards) -> None:
    doubled = {"c": TensorRecipe(("a", "b"), lambda a, b: a + b)}
    found = state_dict(shards, doubled, lambda name: {"d": lambda tensor: tensor * 10})
    assert torch.equal(found["d"][...], (A + B) * 10)


def test_tied_and_ready_tensors(shards: Shards) -> None:
    ready = {"r": TensorRecipe(("b",))}
    tied = {"head": "a", "b": "a", "other": "nothing"}
    found = state_dict(
        shards, stored(shards), keep_names, tied=tied, ready=ready, dtype=torch.bfloat16
    )
    assert sorted(found) == ["a", "b", "head", "r"]
    assert torch.equal(found["head"][...], A)
    assert torch.equal(found["b"][...], B), "the files have it"
    assert found["r"][...].dtype == torch.float32


def test_unknown_tensors_are_listed(shards: Shards) -> None:
    with pytest.raises(LoadError, match="tensors that its model does not: a, b"):
        state_dict(shards, stored(shards), lambda name: None)


def test_renaming_by_the_first_rule_of_the_whole_name() -> None:
    rules = ((r"h\.(\d+)\.w", r"layers.\1.weight"), (r"h\..*", "other"))
    assert renamed("h.3.w", rules) == "layers.3.weight"
    assert renamed("h.3.weight", rules) == "other"
    assert renamed("x.h.3.w", rules) is None
    assert keep_names("x") == {"x": unchanged}
