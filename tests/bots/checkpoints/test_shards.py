"""Reading shards: what is there, what is damaged, and letting go of what was read."""

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bots.checkpoints.shards import Shards
from bots.errors import LoadError
from tests.golden_data import GOLDEN


def sharded(folder: Path, *, safe: bool = False) -> Path:
    """Two shards with an index."""
    kind = "safetensors" if safe else "bin"
    prefix = "model" if safe else "pytorch_model"
    index: dict[str, str] = {}
    for number, names in enumerate((("a", "b"), ("c", "d")), 1):
        file = f"{prefix}-{number:05}-of-00002.{kind}"
        tensors = {name: torch.full((4, 4), float(ord(name))) for name in names}
        save_file(tensors, folder / file) if safe else torch.save(tensors, folder / file)
        index |= dict.fromkeys(names, file)
    (folder / f"{prefix}.{kind}.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


@pytest.mark.parametrize("safe", [True, False])
def test_every_tensor_of_every_shard(tmp_path: Path, safe: bool) -> None:
    shards = Shards(sharded(tmp_path, safe=safe))
    assert shards.names == {"a", "b", "c", "d"}
    assert all((shards.read(name) == ord(name)).all() for name in "dacb")


def test_a_shard_is_let_go_of_when_all_of_it_was_read(tmp_path: Path) -> None:
    shards = Shards(sharded(tmp_path))
    shards.expect({"a": 1, "b": 2, "c": 1})
    shards.read("a")
    shards.read("b")
    assert [path.name for path in shards.open] == ["pytorch_model-00001-of-00002.bin"]
    shards.read("b")
    assert not shards.open
    shards.read("c")
    assert not shards.open


def test_files_of_old_torch_without_zip(tmp_path: Path) -> None:
    torch.save(
        {"a": torch.ones(2)}, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False
    )
    assert (Shards(tmp_path).read("a") == 1).all()


@pytest.mark.parametrize("safe", [True, False])
def test_a_large_tensor_is_converted_by_rows(tmp_path: Path, safe: bool) -> None:
    large, small, codes = torch.rand(7, 3), torch.rand(3, 3), torch.ones(7, 3).int()
    tensors = {"large": large, "small": small, "codes": codes}
    if safe:
        save_file(tensors, tmp_path / "model.safetensors")
    else:
        torch.save(tensors, tmp_path / "pytorch_model.bin")
    shards = Shards(tmp_path, window=40)
    assert torch.equal(shards.read_as("large", torch.bfloat16), large.bfloat16())
    assert torch.equal(shards.read_as("small", torch.bfloat16), small)
    assert torch.equal(shards.read_as("codes", torch.bfloat16), codes)


def test_progress_is_by_file(tmp_path: Path) -> None:
    reported: list[tuple[str, float | None]] = []
    Shards(sharded(tmp_path), lambda stage, done: reported.append((stage, done)))
    assert reported == [("checking the files", 0.5), ("checking the files", 1.0)]


def refused(folder: Path, words: str) -> None:
    with pytest.raises(LoadError, match=words) as caught:
        Shards(folder)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("safe", [True, False])
def test_a_missing_shard(tmp_path: Path, safe: bool) -> None:
    sharded(tmp_path, safe=safe)
    next(tmp_path.glob("*-00002-of-*")).unlink()
    refused(tmp_path, r"1 of 2 shards are missing.*00002-of-00002")


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_shard_that_was_cut(tmp_path: Path, safe: bool, kept: int) -> None:
    sharded(tmp_path, safe=safe)
    shard = next(tmp_path.glob("*-00002-of-*"))
    shard.write_bytes(shard.read_bytes()[:kept])
    refused(tmp_path, r"00002-of-00002.*damaged or cut short")


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path, zipped: bool) -> None:
    mark = tmp_path / "it-ran"
    torch.save(
        {"a": Evil(mark)},
        tmp_path / "pytorch_model.bin",
        _use_new_zipfile_serialization=zipped,
    )
    refused(tmp_path, "could run code")
    assert not mark.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_plain_pickle_is_no_checkpoint(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(mark)))
    refused(tmp_path, "could run code|damaged")
    assert not mark.exists()


@pytest.mark.parametrize("content", [{"state_dict": {"a": 1}}, [1, 2], {}])
def test_what_is_no_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "pytorch_model.bin")
    refused(tmp_path, "no state dict")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("{", "not an index"),
        ('{"weight_map": []}', "not an index"),
        ('{"weight_map": {"a": "../x.bin"}}', "outside of its folder"),
    ],
)
def test_an_index_that_is_none(tmp_path: Path, index: str, words: str) -> None:
    (tmp_path / "pytorch_model.bin.index.json").write_text(index)
    refused(tmp_path, words)


def test_an_index_that_is_wrong(tmp_path: Path) -> None:
    index = sharded(tmp_path) / "pytorch_model.bin.index.json"
    right = json.loads(index.read_text())["weight_map"]
    index.write_text(json.dumps({"weight_map": right | {"e": right["a"]}}))
    refused(tmp_path, r"Not in the shard.*: e\.")
    index.write_text(json.dumps({"weight_map": {n: f for n, f in right.items() if n != "d"}}))
    refused(tmp_path, r"but not in .*: d\.")


def test_a_folder_without_weights(tmp_path: Path) -> None:
    refused(tmp_path, "has no weights")


def test_gptq_names_its_file_in_its_own_way(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "llama_gptq" / "gptq_model-4bit-32g.safetensors", tmp_path)
    assert "model.layers.0.mlp.up_proj.qweight" in Shards(tmp_path).names
