"""Deltas and their bases."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bots.checkpoints.shards import Shards
from bots.commands.delta_sum import write_sum
from bots.errors import LoadError


def nothing(stage: str, done: float | None) -> None:
    """No progress is shown."""


def folder(path: Path, **tensors: torch.Tensor) -> Path:
    """A model's folder with these tensors."""
    path.mkdir()
    save_file(tensors, path / "model.safetensors")
    (path / "config.json").write_text('{"model_type": "llama"}')
    return path


def test_the_sum_is_made_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = {"embed_tokens.weight": torch.randn(5, 4), "norm.weight": torch.randn(4)}
    base = folder(tmp_path / "base", **own, **{"l.rotary_emb.inv_freq": torch.ones(2)})
    half = {name: torch.randn(*one.shape).half() for name, one in own.items()}
    half["embed_tokens.weight"] = torch.cat(
        (half["embed_tokens.weight"], torch.full((2, 4), 7.0).half())
    )
    delta = folder(tmp_path / "delta", **half)
    (delta / "tokenizer_config.json").write_text("{}")
    seen: list[float | None] = []
    size = write_sum(base, delta, tmp_path / "out", lambda _, done: seen.append(done), shard=16)
    found = Shards(tmp_path / "out")
    assert found.names == {"embed_tokens.weight", "norm.weight"}
    embed = found.read("embed_tokens.weight")
    assert torch.equal(
        embed[:5], own["embed_tokens.weight"].half() + half["embed_tokens.weight"][:5]
    )
    assert torch.equal(embed[5:], half["embed_tokens.weight"][5:])
    norm = own["norm.weight"].half() + half["norm.weight"]
    assert torch.equal(found.read("norm.weight"), norm)
    assert size == 2 * (7 * 4 + 4)
    assert seen[-1] == 1.0
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": size}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "config.json",
        "tokenizer_config.json",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        ({"a": torch.ones(2, 3)}, "tensors that the delta has not"),
        ({"a": torch.ones(2, 3), "b": torch.ones(2), "c": torch.ones(1)}, "the base has not"),
        ({"a": torch.ones(2, 4), "b": torch.ones(2)}, r"a is \[2, 3\] in the base"),
        ({"a": torch.ones(1, 3), "b": torch.ones(2)}, r"and \[1, 3\] in the delta"),
        ({"a": torch.ones(4, 3), "b": torch.ones(2)}, r"and \[4, 3\] in the delta"),
    ],
)
def test_what_does_not_fit_together_leaves_nothing(
    delta: dict[str, torch.Tensor], said: str, tmp_path: Path
) -> None:
    base = folder(tmp_path / "base", a=torch.ones(2, 3), b=torch.ones(2))
    changed = folder(tmp_path / "delta", **delta)
    with pytest.raises(LoadError, match=said):
        write_sum(base, changed, tmp_path / "out", nothing)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "delta"]


def test_the_family_is_noted(tmp_path: Path) -> None:
    """Where it is one that files do not tell."""
    base = folder(tmp_path / "base", a=torch.ones(2))
    delta = folder(tmp_path / "delta", a=torch.ones(2))
    write_sum(base, delta, tmp_path / "plain", nothing)
    write_sum(base, delta, tmp_path / "named", nothing, family="educhat")
    plain, named = (
        json.loads((tmp_path / name / "config.json").read_text()) for name in ("plain", "named")
    )
    assert named == {**plain, "chatzoo_family": "educhat"}
    assert plain == {"model_type": "llama"}


def test_the_base_is_not_touched(tmp_path: Path) -> None:
    base = folder(tmp_path / "base", a=torch.ones(2))
    delta = folder(tmp_path / "delta", a=torch.ones(2))
    write_sum(base, delta, tmp_path / "out", nothing)
    assert torch.equal(load_file(base / "model.safetensors")["a"], torch.ones(2))
    assert torch.equal(Shards(tmp_path / "out").read("a"), torch.full((2,), 2.0))
