"""What is checked before GPTQModel starts; the whole command is tested in test_quantize."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import nn

from bots.commands.gptq import check_groups, not_resumed
from bots.errors import ConfigError


def test_groups_must_divide_the_inputs_of_all_layers_but_the_head() -> None:
    head = nn.Linear(10, 4)
    layers = [nn.Linear(64, 8), nn.Linear(96, 8), head]
    model = SimpleNamespace(get_output_embeddings=lambda: head, modules=lambda: layers)
    check_groups(model, 32)
    with pytest.raises(ConfigError, match=r"64 does not divide layers of 96 inputs\. Use 32\."):
        check_groups(model, 64)


def test_work_is_resumed_for_files_of_a_known_architecture(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}), "utf-8")
    (tmp_path / "other.safetensors").touch()
    assert not_resumed(tmp_path) == "the weights are not called model.safetensors"
    (tmp_path / "other.safetensors").rename(tmp_path / "model.safetensors")
    assert not_resumed(tmp_path) is None
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "moss"}), "utf-8")
    assert not_resumed(tmp_path) == "GPTQModel keeps no unfinished work of 'moss'"
