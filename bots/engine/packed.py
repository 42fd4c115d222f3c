"""Many sequences through a model in one forward pass, laid end to end, without padding.

The products with the weights see all new tokens of a step as rows of one matrix; attention is
computed for each sequence by itself, over keys and values of its own. So a sequence's attention is
the same alone or among others, a prompt's chunk and single tokens go together, and nothing is
masked. Works for decoder-only models of transformers whose attention goes through its attention
interface with nothing but positions; `Packed.fits` finds out by comparing with the plain pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from bots.engine.device import input_device
from bots.engine.rope import prefill_in_one

NAME = "chatzoo_packed"
_PAGE = 64
"""Room for keys and values grows by a quarter, rounded up to this many tokens."""


class KVCache:
    """Keys and values of one sequence: for each layer [key-value heads, room, head size].

    `length` tokens are in. What a pass appends counts only after `commit`, so that one that
    failed can be done again.
    """

    def __init__(self, layers: int, room: int = 0) -> None:
        self.length = 0
        self.room = room
        self._keys: list[torch.Tensor | None] = [None] * layers
        self._values: list[torch.Tensor | None] = [None] * layers

    def append(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put `keys` and `values` [heads, new, size] after the tokens that are in.

        Returns those of all tokens, views that are valid until the next call.
        """
        end = self.length + keys.shape[1]
        return (
            self._put(self._keys, layer, keys, end),
            self._put(self._values, layer, values, end),
        )

    def _put(
        self, all_layers: list[torch.Tensor | None], layer: int, new: torch.Tensor, end: int
    ) -> torch.Tensor:
        held = all_layers[layer]
        if held is None or held.shape[1] < end:
            self.room = max(self.room, -(-(end + end // 4) // _PAGE) * _PAGE)
            grown = new.new_empty(new.shape[0], self.room, new.shape[2])
            if held is not None:
                grown[:, : self.length] = held[:, : self.length]
            held = all_layers[layer] = grown
        held[:, self.length : end] = new
        return held[:, :end]

    def commit(self, count: int) -> None:
        """Count the newest tokens, which went through all layers."""
        self.length += count

    def copy(self, length: int, room: int) -> "KVCache":
        """The first `length` tokens in a cache of their own, with room for `room`."""
        made = KVCache(len(self._keys), room)
        for mine, theirs in ((self._keys, made._keys), (self._values, made._values)):
            for layer, held in enumerate(mine):
                assert held is not None
                size = max(room, length)
                theirs[layer] = held.new_empty(held.shape[0], size, held.shape[2])
                theirs[layer][:, :length] = held[:, :length]  # type: ignore[index]
        made.length = length
        return made

    @property
    def complete(self) -> bool:
        """Whether every layer has keys."""
        return all(one is not None for one in self._keys)

    @property
    def nbytes(self) -> int:
        """Memory that it holds, room included."""
        held = (one for one in (*self._keys, *self._values) if one is not None)
        return sum(one.numel() * one.element_size() for one in held)


@dataclass(slots=True)
class Part:
    """A sequence's part of a pass: `ids` [new] after what `cache` holds, and how many of the last
    positions' logits are wanted."""

    cache: KVCache
    ids: torch.Tensor
    keep: int = 1
    start: int = 0
    end: int = 0

    def mask(self, window: int | None, device: torch.device) -> torch.Tensor | None:
        """What each new token sees of all tokens, [new, all], where a causal flag cannot tell."""
        past, new = self.cache.length, self.end - self.start
        if past == 0 and (window is None or new <= window):
            return None
        seen = torch.ones(new, past + new, dtype=torch.bool, device=device)
        seen = seen.tril(past)
        return seen if window is None else seen.triu(past - window + 1)


class Packed:
    """A model that takes many sequences at once. `layers` is the number of its attentions."""

    def __init__(self, model: Any) -> None:
        AttentionInterface.register(NAME, _attention)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        self.model = model
        self.device = input_device(model)
        self.layers: int = model.config.get_text_config().num_hidden_layers
        self._unused_mask = torch.empty(1, 1, 1, 1, device=self.device)
        self.token_bytes = 0
        """Memory of a token's keys and values; known once `fits` has run."""
        self._before = model.config._attn_implementation

    def new_cache(self, room: int = 0) -> KVCache:
        """An empty cache for one sequence."""
        return KVCache(self.layers, room)

    def forward(self, parts: Sequence[Part]) -> list[torch.Tensor]:
        """One pass. Returns the logits [keep, vocabulary] of each part, and commits its tokens."""
        at = 0
        wanted: list[torch.Tensor] = []
        positions: list[torch.Tensor] = []
        for part in parts:
            part.start, part.end = at, at + len(part.ids)
            positions.append(torch.arange(part.cache.length, part.cache.length + len(part.ids)))
            wanted.append(torch.arange(part.end - part.keep, part.end))
            at = part.end
        logits = self.model(
            input_ids=torch.cat([part.ids for part in parts])[None],
            position_ids=torch.cat(positions)[None].to(self.device),
            # Four dimensions are taken for a finished mask, and this attention reads none.
            attention_mask=self._unused_mask,
            use_cache=False,
            logits_to_keep=torch.cat(wanted).to(self.device),
            packed=parts,
        ).logits[0]
        for part in parts:
            part.cache.commit(len(part.ids))
        return list(logits.split([part.keep for part in parts]))

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def fits(self) -> bool:
        """Whether the model computes packed what it computes plainly; sets its attention if so.

        Two sequences of different lengths, one in two chunks, each followed by a token.
        """
        model = self.model
        if (
            model.config.is_encoder_decoder
            or hasattr(model, "position_ids_of")
            or prefill_in_one(model)
            or not getattr(model, "_supports_attention_backend", False)
        ):
            return False
        size = model.get_input_embeddings().num_embeddings
        one, two = ((torch.arange(n, device=self.device) * 7 + n) % size for n in (9, 5))
        try:
            wanted = [self._plainly(ids) for ids in (one, two)]
            model.set_attn_implementation(NAME)
            a, b = self.new_cache(), self.new_cache()
            self.forward([Part(a, one[:4])])
            first = self.forward([Part(a, one[4:8]), Part(b, two[:4])])
            last = self.forward([Part(b, two[4:]), Part(a, one[8:])])
            found = [
                torch.stack([first[0][0], last[1][0]]),
                torch.stack([first[1][0], last[0][0]]),
            ]
            self.token_bytes = a.nbytes // a.room
            same = (
                a.complete
                and b.complete
                and all(_close(mine, theirs) for mine, theirs in zip(found, wanted, strict=True))
            )
        except (TypeError, ValueError, RuntimeError, AttributeError, AssertionError, KeyError):
            same = False  # a model that takes other arguments, or keeps more than keys and values
        if not same:
            model.set_attn_implementation(self._before)
        return same

    def _plainly(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits [2, vocabulary] of the last two tokens, the last one by itself."""
        cache = DynamicCache(config=self.model.config)
        rows = [
            self.model(input_ids=part[None], past_key_values=cache, use_cache=True).logits[0, -1]
            for part in (ids[:-1], ids[-1:])
        ]
        return torch.stack(rows)


def _close(mine: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Equal but for rounding: as near as the precision of the weights allows."""
    exact = mine.dtype == torch.float32
    scale = float(theirs.float().abs().max()) or 1.0
    return float((mine - theirs).float().abs().max()) <= scale * (1e-4 if exact else 5e-2)


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    packed: Sequence[Part] | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of each part over its own cache; without parts, transformers' own.

    `query` [1, heads, new, size], `key` and `value` [1, key-value heads, new, size]; gives
    [1, new, heads, size].
    """
    if packed is None:
        plain: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return plain
    if kwargs.get("softcap") is not None or kwargs.get("s_aux") is not None:
        raise ValueError("this attention has more than a scale")
    window = kwargs.get("sliding_window")
    output = query.new_empty(query.shape[2], query.shape[1], value.shape[3])
    for part in packed:
        at = slice(part.start, part.end)
        keys, values = part.cache.append(module.layer_idx, key[0, :, at], value[0, :, at])
        if part.end - part.start == 1:
            output[at] = _one(query[0, :, part.start], keys, values, scaling, window)
        else:
            mask = part.mask(window, query.device)
            found = scaled_dot_product_attention(
                query[:, :, at],
                keys[None],
                values[None],
                attn_mask=mask,
                is_causal=mask is None,
                scale=scaling,
                enable_gqa=keys.shape[0] != query.shape[1],
            )
            output[at] = found[0].transpose(0, 1)
    return output[None], None


def _one(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """Attention of one token, `query` [heads, size]; the heads of a group are its rows."""
    if window is not None:
        keys, values = keys[:, -window:], values[:, -window:]
    groups = query.view(keys.shape[0], -1, query.shape[-1])
    found = scaled_dot_product_attention(groups[None], keys[None], values[None], scale=scaling)
    return found.reshape(query.shape[0], values.shape[-1])
