"""Ragged-batch attention for BLOOM, the one native family without the attention interface.

BLOOM's modules take an ALiBi tensor [batch · heads, 1, length] that is built for a padded batch.
Each attention module gets a `forward` that computes a ragged batch with the slopes instead, and
passes every other call on to the original. The projections around it remain the model's own.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers.models.bloom.modeling_bloom import BloomAttention

from bots.engine.attention import AttentionOptions, RaggedBatch

CurrentBatch = Callable[[], RaggedBatch | None]
"""Returns the ragged batch of the running forward pass, None in a plain pass."""


def patch_bloom(model: Any, current_batch: CurrentBatch) -> bool:
    """Replace `forward` of each BLOOM attention of `model`. Returns whether there is any."""
    modules = [module for module in model.modules() if isinstance(module, BloomAttention)]
    for module in modules:
        slopes = _alibi_slopes(model, module.num_heads)
        module.forward = _ragged_forward(module, module.forward, current_batch, slopes)
    return bool(modules)


def _alibi_slopes(model: Any, heads: int) -> torch.Tensor:
    """BLOOM's bias per position of a key, [heads].

    ALiBi is slope · position, so the slopes are what BLOOM's own function gives for position 1;
    that keeps its rule for head counts that are no power of two.
    """
    alibi: torch.Tensor = model.base_model.build_alibi_tensor(
        torch.ones(1, 2), heads, torch.float32
    )
    return alibi[:, 0, 1]


def _ragged_forward(
    module: Any, original: Callable[..., Any], current_batch: CurrentBatch, slopes: torch.Tensor
) -> Callable[..., Any]:
    def forward(
        hidden_states: Any, residual: Any, alibi: Any, attention_mask: Any, **kw: Any
    ) -> Any:
        """`hidden_states` and `residual` [1, new, hidden] → their sum after attention."""
        batch = current_batch()
        if batch is None:
            return original(hidden_states, residual, alibi, attention_mask, **kw)
        query, key, value = module._reshape(module.query_key_value(hidden_states))
        options = AttentionOptions(module.inv_norm_factor, alibi_slopes=slopes.to(query.device))
        output = batch.attend(module.layer_idx, query[0], key[0], value[0], options)
        return module.dense(output.flatten(1)[None]) + residual, None

    return forward
