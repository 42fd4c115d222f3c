"""ChatGLM2 and ChatGLM3 as GLM: which of the two, their positions, unsupported variants."""

import pytest
import torch

from bots.checkpoints.formats.glm import is_version_3
from bots.checkpoints.formats.glm.weights import native_model
from bots.errors import LoadError
from bots.json_files import read_json
from tests.golden_data import GOLDEN

CONFIG = read_json(GOLDEN / "chatglm2" / "config.json")


@pytest.mark.parametrize(
    ("name", "family", "version_3"),
    [
        ("THUDM/chatglm3-6b", None, True),
        ("THUDM/chatglm2-6b", None, False),
        ("THUDM/chatglm2-6b", "chatglm3", True),
        ("THUDM/chatglm3-6b", "chatglm2", False),
        ("THUDM/ChatGLM3-6b", "auto", True),
    ],
)
def test_the_family_decides_before_the_name(name: str, family: str | None, version_3: bool) -> None:
    assert is_version_3({"_name_or_path": name}, family) is version_3


def test_the_ratio_stretches_positions_of_one_and_the_base_of_the_other() -> None:
    two = native_model(CONFIG | {"rope_ratio": 50}, "chatglm2").config.rope_parameters
    three = native_model(CONFIG | {"rope_ratio": 50}, "chatglm3").config.rope_parameters
    assert (two["rope_type"], two["factor"], two["rope_theta"]) == ("linear", 50.0, 10000.0)
    assert (three["rope_type"], three["rope_theta"]) == ("default", 500000.0)


@pytest.mark.parametrize("wrong", [{"rmsnorm": False}, {"pre_seq_len": 128}])
def test_variants_that_glm_lacks(wrong: dict[str, object]) -> None:
    with pytest.raises(LoadError, match=next(iter(wrong))):
        native_model(CONFIG | wrong)


def test_query_key_and_value_are_cut_by_rows() -> None:
    native = native_model(CONFIG)
    name = "transformer.encoder.layers.0.self_attention.query_key_value.weight"
    parts = native.targets(name)
    assert parts is not None
    config = native.config
    size = config.head_dim
    rows = {"q": config.num_attention_heads * size, "k": config.num_key_value_heads * size}
    made = {target: make(torch.arange(10_000)) for target, make in parts.items()}
    assert [target.split(".")[-2] for target in made] == ["q_proj", "k_proj", "v_proj"]
    q, k, v = made.values()
    assert (len(q), len(k), len(v)) == (rows["q"], rows["k"], rows["k"])
    assert int(k[0]) == rows["q"]
    assert int(v[0]) == rows["q"] + rows["k"]
    assert native.targets("transformer.unknown") is None
