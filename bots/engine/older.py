"""Packed attention for classes that do not use transformers' attention interface: CodeGen, BLOOM.

Each attention module of such a model gets a method of ours, which computes the parts of a packed
pass, and hands every other pass to the module's own. The projections around it stay the class's.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from transformers.models.bloom.modeling_bloom import BloomAttention
from transformers.models.codegen.modeling_codegen import CodeGenAttention

from bots.engine.attention import Pass, Scores

Now = Callable[[], Pass | None]
"""The pass that is under way, None where it is a plain one."""


def adopt(model: Any, now: Now) -> dict[str, Any] | None:
    """Give the attentions of a CodeGen or BLOOM model their packed form.

    Returns the further arguments of its packed pass, or None for any other model.
    """
    arguments: dict[str, Any] | None = None
    for module in model.modules():
        if isinstance(module, CodeGenAttention):
            module._attn = _codegen(module, module._attn, now)
            # Four dimensions are taken for a finished mask, which spares making one.
            arguments = {"attention_mask": torch.empty(1, 1, 1, 1)}
        elif isinstance(module, BloomAttention):
            module.forward = _bloom(module, module.forward, now, _slopes(model, module.num_heads))
            arguments = {}
    return arguments


def _codegen(module: Any, own: Callable[..., Any], now: Now) -> Callable[..., Any]:
    how = Scores(1 / math.sqrt(module.head_dim))

    def attn(query: Any, key: Any, value: Any, attention_mask: Any = None) -> Any:
        """`query`, `key`, `value` [1, heads, new, size] → [1, heads, new, size], no weights."""
        packed = now()
        if packed is None:
            return own(query, key, value, attention_mask)
        key, query = key.to(value.dtype), query.to(value.dtype)
        found = packed.attend(module.layer_idx, query[0], key[0], value[0], how)
        return found.transpose(0, 1)[None], None

    return attn


def _slopes(model: Any, heads: int) -> torch.Tensor:
    """What BLOOM adds for each position of a key, [heads]: its ALiBi of position 1."""
    alibi: torch.Tensor = model.base_model.build_alibi_tensor(
        torch.ones(1, 2), heads, torch.float32
    )
    return alibi[:, 0, 1]


def _bloom(
    module: Any, own: Callable[..., Any], now: Now, slopes: torch.Tensor
) -> Callable[..., Any]:
    def forward(
        hidden_states: Any, residual: Any, alibi: Any, attention_mask: Any, **kw: Any
    ) -> Any:
        """`hidden_states` and `residual` [1, new, hidden] → their sum after attention."""
        packed = now()
        if packed is None:
            return own(hidden_states, residual, alibi, attention_mask, **kw)
        query, key, value = module._reshape(module.query_key_value(hidden_states))
        how = Scores(module.inv_norm_factor, slopes=slopes.to(query.device))
        found = packed.attend(module.layer_idx, query[0], key[0], value[0], how)
        return module.dense(found.flatten(1)[None]) + residual, None

    return forward
