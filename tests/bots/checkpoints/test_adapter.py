"""LoRA adapters: every layout that trainers left, applied or merged, and those that do not fit."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bots.checkpoints.adapter import put_on
from bots.checkpoints.load import Checkpoint
from bots.errors import LoadError
from tests.golden_data import GOLDEN, cases, tolerance

NAME = "chinese_vicuna_lora"
Tensors = dict[str, torch.Tensor]


def base(name: str = "llama") -> Any:
    return Checkpoint(GOLDEN / name).load(dtype=torch.float32, device_map={"": "cpu"})


def copied(
    folder: Path, edit: Callable[[Tensors], Tensors] = dict, file: str = "", **config: Any
) -> Path:
    """The golden adapter with other tensors, in another file, with other values in its config."""
    folder = shutil.copytree(GOLDEN / NAME, folder / NAME)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    weights = folder / "adapter_model.bin"
    tensors = edit(torch.load(weights, weights_only=True))
    weights.unlink()
    if file.endswith(".safetensors"):
        save_file(tensors, folder / file)
    else:
        torch.save(tensors, folder / (file or weights.name))
    return folder


def named(tensors: Tensors) -> Tensors:
    """With the adapter's name, as some trainers saved it."""
    return {name.replace(".weight", ".default.weight"): one for name, one in tensors.items()}


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize(
    ("file", "edit", "config"),
    [
        ("adapter_model.bin", dict, {}),
        ("adapter_model.safetensors", dict, {"enable_lora": None, "merge_weights": True}),
        ("pytorch_model.bin", named, {"base_model_name_or_path": None}),
    ],
)
def test_the_layouts(
    tmp_path: Path, file: str, edit: Any, config: dict[str, Any], merge: bool
) -> None:
    folder = copied(tmp_path, edit, file, **config)
    model = put_on(base(), folder, merge=merge)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert any("lora" in name for name, _ in model.named_parameters()) is not merge
    case = cases(NAME)[0]
    with torch.inference_mode():
        logits = model(input_ids=case.ids).logits
    assert (logits - case.logits).abs().max() <= tolerance(NAME)


def refused(folder: Path, words: str, model: Any = None) -> None:
    with pytest.raises(LoadError, match=words) as caught:
        put_on(model or base(), folder, merge=True)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("other", ["internlm2", "internlm2_dynamic", "firefly"])
def test_another_base(other: str) -> None:
    """Of the same class with other shapes, and of another class."""
    refused(GOLDEN / NAME, "does not fit its base", base(other))


def test_more_or_fewer_layers_than_the_base(tmp_path: Path) -> None:
    def fewer(tensors: Tensors) -> Tensors:
        return {name: one for name, one in tensors.items() if ".layers.1." not in name}

    def more(tensors: Tensors) -> Tensors:
        extra = {n.replace("s.1.", "s.2."): one.clone() for n, one in tensors.items()}
        return tensors | extra

    refused(copied(tmp_path / "a", fewer), r"it lacks .*layers\.1\.")
    refused(copied(tmp_path / "b", more), r"it has .*layers\.2\.")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "only LORA"),
        ({"enable_lora": [True, False, True]}, "enable_lora"),
        ({"from_the_future": 1}, "from_the_future"),
        ({"target_modules": ["no_such_module"]}, "does not fit its base"),
    ],
)
def test_configs_that_are_not_ours(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    refused(copied(tmp_path, **config), words)


def test_weights_that_are_missing_or_cut(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    weights = folder / "adapter_model.bin"
    weights.write_bytes(weights.read_bytes()[:5000])
    refused(folder, "damaged or cut short")
    weights.unlink()
    refused(folder, "no adapter weights")


def test_a_base_on_disk(tmp_path: Path) -> None:
    model = base()
    model.hf_device_map = {"model.layers.0": "cpu", "model.layers.1": "disk"}
    refused(GOLDEN / NAME, "needs its base in memory", model)
