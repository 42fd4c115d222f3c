"""One forward pass of a model over the new tokens of many sequences, without padding.

All new tokens lie end to end as one row. The products with the weights, which dominate, see them as
rows of one matrix, so chunks of prompts and single tokens share a pass; attention alone separates
them (`attention`). Works for decoder-only models of transformers whose attention goes through its
attention interface and depends on nothing but positions, and for BLOOM; `trial` finds out.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from bots.engine.attention import AttentionOptions, Chunk, RaggedBatch
from bots.engine.bloom import patch_bloom
from bots.engine.device import input_device
from bots.engine.kv_cache import KVCache

ATTENTION = "chatzoo_ragged"
"""Our name in transformers' registry of attention implementations."""


class RaggedBatchRunner:
    """Runs ragged batches through `model`. One pass at a time, from any thread.

    The model still computes plain passes as before: without a ragged batch, our attention calls
    transformers' own. Beam search relies on that.
    """

    def __init__(self, model: Any) -> None:
        AttentionInterface.register(ATTENTION, ragged_attention)
        AttentionMaskInterface.register(ATTENTION, sdpa_mask)
        self.model = model
        self.device = input_device(model)
        self.token_bytes = 0
        """Bytes of one token's keys and values; measured by `trial.find_obstacle`."""
        self._layers: int = model.config.get_text_config().num_hidden_layers
        self._unread_mask = torch.empty(1, 1, 1, 1, device=self.device)
        self._original_attention = model.config._attn_implementation
        self._batch: RaggedBatch | None = None
        self._patched = patch_bloom(model, lambda: self._batch)

    @property
    def supported(self) -> bool:
        """Whether the model's attention can be replaced at all."""
        return self._patched or getattr(self.model, "_supports_attention_backend", False)

    def install(self) -> None:
        """Make the model compute ragged batches."""
        if not self._patched:
            self.model.set_attn_implementation(ATTENTION)

    def uninstall(self) -> None:
        """Restore the model's own attention."""
        if not self._patched:
            self.model.set_attn_implementation(self._original_attention)

    def new_cache(self, capacity: int = 0) -> KVCache:
        """An empty cache for one sequence, with room for `capacity` tokens."""
        return KVCache(self._layers, capacity)

    def forward(self, chunks: Sequence[Chunk]) -> list[torch.Tensor]:
        """Run one pass and commit the chunks' tokens to their caches.

        Returns the logits [keep, vocabulary] of each chunk, in the order of `chunks`. Raises what
        the model raises; nothing is committed then.
        """
        end = 0
        kept: list[torch.Tensor] = []
        positions: list[torch.Tensor] = []
        batch = RaggedBatch(chunks)
        for chunk in batch.chunks:
            end += (new := len(chunk.ids))
            positions.append(torch.arange(chunk.cache.length, chunk.cache.length + new))
            kept.append(torch.arange(end - chunk.keep, end))
        # transformers builds a causal mask over the whole row unless it is given a mask of four
        # dimensions, which it takes for a finished one. `ragged_attention` reads neither.
        extra = {"attention_mask": self._unread_mask, "ragged_batch": batch}
        self._batch = batch
        try:
            logits = self.model(
                input_ids=torch.cat([chunk.ids for chunk in batch.chunks])[None],
                position_ids=torch.cat(positions)[None].to(self.device),
                use_cache=False,
                logits_to_keep=torch.cat(kept).to(self.device),
                **({} if self._patched else extra),
            ).logits[0]
        finally:
            self._batch = None
        split = logits.split([chunk.keep for chunk in batch.chunks])
        rows = {id(chunk): part for chunk, part in zip(batch.chunks, split, strict=True)}
        for chunk in chunks:
            chunk.cache.commit(len(chunk.ids))
        return [rows[id(chunk)] for chunk in chunks]


def ragged_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    ragged_batch: RaggedBatch | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """An attention implementation as transformers calls it, for ragged batches and plain passes.

    `query` [1, heads, new, size], `key` and `value` [1, key-value heads, new, size] →
    ([1, new, heads, size], None). Raises ValueError where the model asks for soft-capped scores or
    attention sinks, which a ragged batch does not compute.
    """
    if ragged_batch is None:
        plain: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return plain
    if kwargs.get("softcap") is not None or kwargs.get("s_aux") is not None:
        raise ValueError("the attention has soft-capped scores or sinks")
    window = kwargs.get("sliding_window")
    module.ragged_window = window  # `trial` compares it with the config
    options = AttentionOptions(scaling, window)
    return ragged_batch.attend(module.layer_idx, query[0], key[0], value[0], options)[None], None
