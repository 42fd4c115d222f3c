"""InternLM2 as LLaMA: the interleaved `wqkv`, its positions and names."""

import pytest
import torch

from bots.checkpoints.formats.internlm2.weights import native_model
from bots.errors import LoadError
from bots.json_files import read_json
from tests.golden_data import GOLDEN

CONFIG = read_json(GOLDEN / "internlm2" / "config.json")


def test_wqkv_holds_queries_key_and_value_for_each_key_value_head() -> None:
    native = native_model(CONFIG)
    heads, kv = native.config.num_attention_heads, native.config.num_key_value_heads
    size = native.config.head_dim
    parts = native.targets("model.layers.1.attention.wqkv.weight")
    assert parts is not None
    rows = torch.arange((heads + 2 * kv) * size)
    q, k, v = (parts[f"model.layers.1.self_attn.{part}_proj.weight"](rows) for part in "qkv")
    assert (len(q), len(k), len(v)) == (heads * size, kv * size, kv * size)
    assert int(k[0]) == heads // kv * size
    assert int(v[0]) == (heads // kv + 1) * size
    assert sorted([*q.tolist(), *k.tolist(), *v.tolist()]) == rows.tolist()


def test_scaled_positions_and_unknown_ones() -> None:
    scaled = native_model(CONFIG | {"rope_scaling": {"type": "dynamic", "factor": 3}})
    assert scaled.config.rope_parameters["factor"] == 3.0
    with pytest.raises(LoadError, match="rope_scaling 'yarn' is not known"):
        native_model(CONFIG | {"rope_scaling": {"type": "yarn", "factor": 3}})


def test_an_unknown_tensor() -> None:
    assert native_model(CONFIG).targets("model.layers.0.attention.wq.weight") is None
