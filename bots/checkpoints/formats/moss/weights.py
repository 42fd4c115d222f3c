"""MOSS (fnlp/moss-moon-003-*) as transformers' CodeGen.

The tensors have the same names, and the same order of query, value and key in `qkv_proj`. The
causal masks are left out: CodeGen makes them itself.
"""

import re
from collections.abc import Mapping
from typing import Any

from transformers import CodeGenConfig, CodeGenForCausalLM

from bots.checkpoints.formats.native_model import NativeModel
from bots.checkpoints.state_dict import Make, unchanged

# fmt: off
_FIELDS = [
    "vocab_size", "n_positions", "n_ctx", "n_embd", "n_layer", "n_head", "rotary_dim",
    "n_inner", "activation_function", "resid_pdrop", "embd_pdrop", "attn_pdrop",
    "layer_norm_epsilon", "initializer_range", "use_cache", "bos_token_id", "eos_token_id",
]
# fmt: on
_NOT_NEEDED = re.compile(r"\.attn\.causal_mask$")


def native_model(config: Mapping[str, Any], family: str | None = None) -> NativeModel:
    """The CodeGen of a MOSS `config` (config.json)."""
    fields = {name: config[name] for name in _FIELDS if name in config}
    return NativeModel(
        CodeGenForCausalLM, CodeGenConfig(**fields, tie_word_embeddings=False), targets
    )


def targets(name: str) -> Mapping[str, Make]:
    """Map every tensor to its own name, but the masks."""
    return {} if _NOT_NEEDED.search(name) else {name: unchanged}
