"""Many sequences through a model in one forward pass, laid end to end, without padding.

The products with the weights see all new tokens of a step as rows of one matrix, so a prompt's
chunk and single tokens go together. Attention is computed over each sequence's own keys and values:
for the single tokens of sequences that stand side by side in one operation, in which the room that
the shorter ones leave is masked; for everything else by itself. Works for decoder-only models of
transformers whose attention goes through its attention interface with nothing but positions;
`Packed.fits` finds out by comparing with the plain pass.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from bots.engine.attention import Part, Pass, Scores
from bots.engine.bloom import adopt
from bots.engine.causal import cache_argument
from bots.engine.device import input_device
from bots.engine.kv_cache import KVCache, Stacks
from bots.engine.rope import prefill_in_one

NAME = "chatzoo_packed"


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
        self._pass: Pass | None = None
        self._adopted = adopt(model, lambda: self._pass)
        """Whether the attention takes its parts from `_pass`, not from an argument."""

    def new_cache(self, room: int = 0) -> KVCache:
        """An empty cache for one sequence."""
        return KVCache(self.layers, room)

    def forward(self, parts: Sequence[Part]) -> list[torch.Tensor]:
        """One pass. Returns the logits [keep, vocabulary] of each part, and commits its tokens."""
        at = 0
        wanted: list[torch.Tensor] = []
        positions: list[torch.Tensor] = []
        laid = Pass(parts)
        for part in laid.parts:
            at += (new := len(part.ids))
            positions.append(torch.arange(part.cache.length, part.cache.length + new))
            wanted.append(torch.arange(at - part.keep, at))
        # A mask of four dimensions is taken for a finished one, and no attention here reads it.
        more = {} if self._adopted else {"attention_mask": self._unused_mask, "packed": laid}
        self._pass = laid
        try:
            logits = self.model(
                input_ids=torch.cat([part.ids for part in laid.parts])[None],
                position_ids=torch.cat(positions)[None].to(self.device),
                use_cache=False,
                logits_to_keep=torch.cat(wanted).to(self.device),
                **more,
            ).logits[0]
        finally:
            self._pass = None
        found = logits.split([part.keep for part in laid.parts])
        rows = {id(part): some for part, some in zip(laid.parts, found, strict=True)}
        for part in parts:
            part.cache.commit(len(part.ids))
        return [rows[id(part)] for part in parts]

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def fits(self) -> bool:
        """Whether the model computes packed what it computes plainly; sets its attention if so.

        Two sequences of different lengths, one in two chunks, each followed by a token, which go
        through side by side.
        """
        model = self.model
        if (
            model.config.is_encoder_decoder
            or hasattr(model, "position_ids_of")
            or prefill_in_one(model)
            or not (self._adopted or getattr(model, "_supports_attention_backend", False))
        ):
            return False
        size = model.get_input_embeddings().num_embeddings
        one, two = ((torch.arange(n, device=self.device) * 7 + n) % size for n in (9, 5))
        try:
            wanted = [self._plainly(ids) for ids in (one, two)]
            if not self._adopted:
                model.set_attn_implementation(NAME)
            a, b = self.new_cache(), self.new_cache()
            self.forward([Part(a, one[:4])])
            first = self.forward([Part(a, one[4:8]), Part(b, two[:4])])
            self.token_bytes = a.nbytes // a.room
            complete = a.complete and b.complete
            stacks = Stacks()
            stacks.place(a)
            stacks.place(b)
            last = self.forward([Part(b, two[4:]), Part(a, one[8:])])
            found = [
                torch.stack([first[0][0], last[1][0]]),
                torch.stack([first[1][0], last[0][0]]),
            ]
            same = (
                complete
                and all(map(_windows_known, model.modules()))
                and all(
                    _close(mine, theirs, exact=self._exact)
                    for mine, theirs in zip(found, wanted, strict=True)
                )
            )
        except (TypeError, ValueError, RuntimeError, AttributeError, AssertionError, LookupError):
            same = False  # a model that takes other arguments, or keeps more than keys and values
        if not same and not self._adopted:
            model.set_attn_implementation(self._before)
        return same

    @property
    def _exact(self) -> bool:
        """Whether no layer rounds more than its numbers do, as kernels of quantised ones may."""
        return all(getattr(one, "exact", True) for one in self.model.modules())

    def _plainly(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits [2, vocabulary] of the last two tokens, the last one by itself."""
        cached = {cache_argument(self.model): DynamicCache(config=self.model.config)}
        rows = [
            self.model(input_ids=part[None], use_cache=True, **cached).logits[0, -1]
            for part in (ids[:-1], ids[-1:])
        ]
        return torch.stack(rows)


def _windows_known(module: Any) -> bool:
    """Whether an attention's window, if it has one, is what it told `_attention`.

    Some models tell it to the mask alone, which is not read here, and two short sequences show
    nothing of it.
    """
    if not hasattr(module, "packed_window"):
        return True
    config = module.config
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        told = {"full_attention": False, "sliding_attention": True}.get(kinds[module.layer_idx])
        return told is (module.packed_window is not None)
    chunked = getattr(config, "attention_chunk_size", None)
    return chunked is None and module.packed_window == getattr(config, "sliding_window", None)


def _close(mine: torch.Tensor, theirs: torch.Tensor, *, exact: bool) -> bool:
    """Equal but for rounding: as near as the precision of the weights allows."""
    scale = float(theirs.float().abs().max()) or 1.0
    tolerance = 1e-4 if exact and mine.dtype == torch.float32 else 5e-2
    return float((mine - theirs).float().abs().max()) <= scale * tolerance


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    packed: Pass | None = None,
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
    module.packed_window = window
    how = Scores(scaling, window)
    return packed.attend(module.layer_idx, query[0], key[0], value[0], how)[None], None
