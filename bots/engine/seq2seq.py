"""An encoder-decoder model at work on one request: the prompt is the encoder's, once."""

import threading
from collections.abc import Sequence
from typing import Any

import torch

from bots.engine.causal import cache_argument
from bots.engine.device import input_device
from bots.engine.sampler import Scored


class Seq2Seq:
    """As `Causal`, but `ids` [1, 1 + new tokens] are the decoder's own, from its start token on."""

    def __init__(self, model: Any, prompt: Sequence[int], room: int) -> None:
        device = input_device(model)
        self.ids = torch.empty(1, 1 + room, dtype=torch.long, device=device)
        self.ids[0, 0] = _start_token(model)
        self.start = 1
        self.logits: torch.Tensor
        self._model = model
        self._prompt = torch.tensor([prompt], device=device)
        self._argument = cache_argument(model)
        self._cache: Any = None
        self._encoded: Any = None

    def prefill(self, stop: threading.Event, want: int | None) -> list[Scored] | None:
        """Run the encoder, and the decoder on its start token. `want` must be None: an encoder
        predicts no tokens."""
        assert want is None
        self._mask = torch.ones_like(self._prompt)
        encoder = self._model.get_encoder()
        self._encoded = encoder(input_ids=self._prompt, attention_mask=self._mask)
        if not stop.is_set():
            self.advance(self.start)
        return None

    def advance(self, length: int) -> None:
        """Take in the newest token; `ids` has `length` of them now."""
        output = self._model(
            encoder_outputs=self._encoded,
            attention_mask=self._mask,
            decoder_input_ids=self.ids[:, length - 1 : length],
            use_cache=True,
            **{self._argument: self._cache},
        )
        self._cache = output.cache
        self.logits = output.logits[:, -1].float()


def _start_token(model: Any) -> int:
    """What the decoder begins with, found where transformers' `generate` finds it."""
    found = model.generation_config.decoder_start_token_id
    if found is None:
        found = getattr(model.config, "decoder_start_token_id", None)
    if found is None:
        found = model.generation_config.bos_token_id
    assert found is not None, (
        "an encoder-decoder model names the token that its decoder starts with"
    )
    return int(found)
