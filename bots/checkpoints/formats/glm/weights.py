"""ChatGLM2 and ChatGLM3 as transformers' GLM."""

from collections.abc import Mapping
from typing import Any

from transformers import GlmConfig, GlmForCausalLM

from bots.checkpoints.formats.glm import is_version_3
from bots.checkpoints.formats.native_model import NativeModel, renamed, split_rows
from bots.checkpoints.state_dict import Make, unchanged
from bots.errors import LoadError

_NAMES = (
    (r"transformer\.embedding\.word_embeddings\.weight", "model.embed_tokens.weight"),
    (r"transformer\.output_layer\.weight", "lm_head.weight"),
    (r"transformer\.encoder\.final_layernorm\.weight", "model.norm.weight"),
    (
        r"transformer\.encoder\.layers\.(\d+)\.(input_layernorm|post_attention_layernorm)\.weight",
        r"model.layers.\1.\2.weight",
    ),
    (
        r"transformer\.encoder\.layers\.(\d+)\.self_attention\.dense\.weight",
        r"model.layers.\1.self_attn.o_proj.weight",
    ),
    (
        r"transformer\.encoder\.layers\.(\d+)\.mlp\.dense_h_to_4h\.weight",
        r"model.layers.\1.mlp.gate_up_proj.weight",
    ),
    (
        r"transformer\.encoder\.layers\.(\d+)\.mlp\.dense_4h_to_h\.weight",
        r"model.layers.\1.mlp.down_proj.weight",
    ),
)
_QKV = (
    (
        r"transformer\.encoder\.layers\.(\d+)\.self_attention\.query_key_value\.(weight|bias)",
        r"model.layers.\1.self_attn.{}_proj.\2",
    ),
)
_NOT_NEEDED = "transformer.rotary_pos_emb.inv_freq"
_MUST_BE = {
    "rmsnorm": True,
    "post_layer_norm": True,
    "apply_residual_connection_post_layernorm": False,
    "add_bias_linear": False,
    "multi_query_attention": True,
}


def native_model(config: Mapping[str, Any], family: str | None = None) -> NativeModel:
    """The GLM of a ChatGLM2 or ChatGLM3 `config` (config.json).

    Raises LoadError for variants of the architecture that GLM does not have.
    """
    for name, value in _MUST_BE.items():
        if config.get(name, value) != value:
            raise LoadError(f"ChatGLM with {name} = {config[name]!r} has no native class.")
    if config.get("pre_seq_len"):
        raise LoadError("ChatGLM with a tuned prefix (pre_seq_len, p-tuning) is not supported.")
    heads, groups = config["num_attention_heads"], config["multi_query_group_num"]
    size = config["kv_channels"]
    glm = GlmConfig(
        vocab_size=config["padded_vocab_size"],
        hidden_size=config["hidden_size"],
        intermediate_size=config["ffn_hidden_size"],
        num_hidden_layers=config["num_layers"],
        num_attention_heads=heads,
        num_key_value_heads=groups,
        head_dim=size,
        rms_norm_eps=config["layernorm_epsilon"],
        attention_bias=config["add_qkv_bias"],
        max_position_embeddings=config["seq_length"],
        rope_parameters=_rope(config, family),
        tie_word_embeddings=False,
        # GlmConfig's own defaults are GLM-4's.
        eos_token_id=config.get("eos_token_id", 2),
        pad_token_id=config.get("pad_token_id", 0),
    )
    rows = (heads * size, groups * size, groups * size)
    return NativeModel(GlmForCausalLM, glm, lambda name: _targets(name, rows))


def _rope(config: Mapping[str, Any], family: str | None) -> dict[str, Any]:
    # Rotary position embedding turns half of each head.
    rope: dict[str, Any] = {"partial_rotary_factor": 0.5, "rope_theta": 10000.0}
    # ChatGLM2-32k divides positions by the ratio; ChatGLM3-32k multiplies the base by it.
    ratio = config.get("rope_ratio") or 1
    if ratio == 1:
        return rope | {"rope_type": "default"}
    if is_version_3(config, family):
        return rope | {"rope_type": "default", "rope_theta": 10000.0 * ratio}
    return rope | {"rope_type": "linear", "factor": float(ratio)}


def _targets(name: str, rows: tuple[int, int, int]) -> Mapping[str, Make] | None:
    if name == _NOT_NEEDED:
        return {}
    if template := renamed(name, _QKV):
        return split_rows(rows, [template.format(part) for part in "qkv"])
    target = renamed(name, _NAMES)
    return None if target is None else {target: unchanged}
