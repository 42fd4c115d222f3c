"""InternLM2 (internlm/internlm2-*, AMchat) as transformers' LLaMA.

Source: the layout of `wqkv` in InternLM2's modeling_internlm2.py, which interleaves, for each
key-value head, its query heads, its key head and its value head.
"""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from bots.checkpoints.formats.native_model import NativeModel, renamed
from bots.checkpoints.state_dict import Make, unchanged
from bots.errors import LoadError

_LAYER = r"model\.layers\.(\d+)\."
_NAMES = (
    (r"model\.tok_embeddings\.weight", "model.embed_tokens.weight"),
    (r"model\.norm\.weight", "model.norm.weight"),
    (r"output\.weight", "lm_head.weight"),
    (_LAYER + r"attention_norm\.weight", r"model.layers.\1.input_layernorm.weight"),
    (_LAYER + r"ffn_norm\.weight", r"model.layers.\1.post_attention_layernorm.weight"),
    (_LAYER + r"attention\.wo\.(weight|bias)", r"model.layers.\1.self_attn.o_proj.\2"),
    (_LAYER + r"feed_forward\.w1\.weight", r"model.layers.\1.mlp.gate_proj.weight"),
    (_LAYER + r"feed_forward\.w3\.weight", r"model.layers.\1.mlp.up_proj.weight"),
    (_LAYER + r"feed_forward\.w2\.weight", r"model.layers.\1.mlp.down_proj.weight"),
)
_WQKV = ((_LAYER + r"attention\.wqkv\.(weight|bias)", r"model.layers.\1.self_attn.{}_proj.\2"),)
# fmt: off
_FIELDS = [
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
    "num_attention_heads", "num_key_value_heads", "hidden_act", "max_position_embeddings",
    "initializer_range", "rms_norm_eps", "use_cache", "pad_token_id", "bos_token_id",
    "eos_token_id", "tie_word_embeddings",
]
# fmt: on


def native_model(config: Mapping[str, Any], family: str | None = None) -> NativeModel:
    """The LLaMA of an InternLM2 `config` (config.json)."""
    fields = {name: config[name] for name in _FIELDS if name in config}
    llama = LlamaConfig(
        **fields,
        attention_bias=config.get("bias", True),
        mlp_bias=False,
        rope_parameters=_rope(config),
    )
    kv_heads = llama.num_key_value_heads
    return NativeModel(
        LlamaForCausalLM, llama, lambda name: _targets(name, kv_heads, llama.head_dim)
    )


def _rope(config: Mapping[str, Any]) -> dict[str, Any]:
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": config.get("rope_theta", 10000)}
    if scaling := config.get("rope_scaling"):
        kind = scaling.get("type", scaling.get("rope_type"))
        if kind not in ("linear", "dynamic"):
            raise LoadError(f"InternLM2 with rope_scaling {kind!r} is not known.")
        rope |= {"rope_type": kind, "factor": float(scaling["factor"])}
    return rope


def _targets(name: str, kv_heads: int, size: int) -> Mapping[str, Make] | None:
    if template := renamed(name, _WQKV):
        return {template.format(part): _cut(kv_heads, size, part) for part in "qkv"}
    target = renamed(name, _NAMES)
    return None if target is None else {target: unchanged}


def _cut(kv_heads: int, size: int, part: str) -> Make:
    """The query, key or value rows of `wqkv` [kv_heads · (queries + 2) · size, …]."""

    def make(tensor: torch.Tensor) -> torch.Tensor:
        heads = tensor.unflatten(0, (kv_heads, -1, size))
        chosen = {"q": heads[:, :-2], "k": heads[:, -2:-1], "v": heads[:, -1:]}[part]
        return chosen.flatten(0, 2)

    return make
