"""Packed attention for BLOOM, which does not use transformers' attention interface.

Each attention module of such a model gets a method of ours, which computes the parts of a packed
pass, and hands every other pass to the module's own. The projections around it stay the class's.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers.models.bloom.modeling_bloom import BloomAttention

from bots.engine.attention import Pass, Scores

Now = Callable[[], Pass | None]
"""The pass that is under way, None where it is a plain one."""


def adopt(model: Any, now: Now) -> bool:
    """Give BLOOM's attentions their packed form. Returns whether the model has such."""
    found = [one for one in model.modules() if isinstance(one, BloomAttention)]
    for module in found:
        module.forward = _bloom(module, module.forward, now, _slopes(model, module.num_heads))
    return bool(found)


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
