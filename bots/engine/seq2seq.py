"""An encoder-decoder model that decodes one request: the encoder reads the prompt once."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from bots.engine.causal import cache_argument
from bots.engine.device import input_device


class Seq2SeqRun:
    """The answer of one request, as `causal.CausalRun` is for decoder-only models.

    `ids` [1 + max_new_tokens] are the decoder's: its start token, which counts as a prompt of
    length 1, and the answer. Penalties thus count the answer and not the encoder's prompt.
    """

    def __init__(self, model: Any, prompt: Sequence[int], max_new_tokens: int) -> None:
        device = input_device(model)
        self.prompt_length = 1
        self.ids = torch.empty(1 + max_new_tokens, dtype=torch.long, device=device)
        self.ids[0] = _start_token(model)
        self._model = model
        self._prompt = torch.tensor([prompt], device=device)
        self._mask = torch.ones_like(self._prompt)
        self._argument = cache_argument(model)
        self._cache: Any = None
        self._encoded: Any = None

    def prefill(
        self, stop: threading.Event, *, every_position: bool
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Run the encoder, then the decoder on its start token unless `stop` is set.

        Yields 1 and the logits [1, vocabulary]. `every_position` must be false, because an encoder
        predicts no tokens.
        """
        assert not every_position
        encoder = self._model.get_encoder()
        self._encoded = encoder(input_ids=self._prompt, attention_mask=self._mask)
        if not stop.is_set():
            yield self.prompt_length, self.advance(self.prompt_length)

    def advance(self, length: int) -> torch.Tensor:
        """Run the newest of `length` tokens; its logits [1, vocabulary]."""
        output = self._model(
            encoder_outputs=self._encoded,
            attention_mask=self._mask,
            decoder_input_ids=self.ids[None, length - 1 : length],
            use_cache=True,
            **{self._argument: self._cache},
        )
        self._cache = output.cache
        logits: torch.Tensor = output.logits[0, -1:]
        return logits


def _start_token(model: Any) -> int:
    """The decoder's first token, looked up in the order of transformers' `generate`."""
    token = model.generation_config.decoder_start_token_id
    if token is None:
        token = getattr(model.config, "decoder_start_token_id", None)
    if token is None:
        token = model.generation_config.bos_token_id
    assert token is not None, "the checkpoint names no token that its decoder starts with"
    return int(token)
