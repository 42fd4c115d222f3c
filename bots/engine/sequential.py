"""Decoding of one request at a time, for models that cannot be run in ragged batches."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from bots.engine.causal import PREFILL_CHUNK, CausalRun
from bots.engine.decode_state import DecodeState
from bots.engine.decoder import Decoder, DecoderOutput
from bots.engine.seq2seq import Seq2SeqRun


class SequentialDecoder(Decoder):
    """Prefill, then one token per step, in the caller's thread; one request at a time.

    `finite` replaces NaN and infinite logits before sampling.
    """

    def __init__(
        self, model: Any, *, finite: bool = False, prefill_chunk: int = PREFILL_CHUNK
    ) -> None:
        self._model = model
        self._finite = finite
        self._prefill_chunk = prefill_chunk

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def decode(
        self, prompt: Sequence[int], settings: Any, stop: threading.Event
    ) -> Iterator[DecoderOutput]:
        """The answer, token by token; `stop` is noticed between two forward passes."""
        run = self._run(prompt, settings.max_new_tokens)
        state = DecodeState(run.ids, run.prompt_length, settings, finite=self._finite)
        logits = None
        for end, logits in run.prefill(stop, every_position=state.scores_prompt):
            state.score_prompt(logits, end)
        if logits is None or stop.is_set():
            return
        while True:
            output = state.take(logits)
            yield output
            if output.finish_reason is not None or stop.is_set():
                return
            logits = run.advance(state.length)

    def _run(self, prompt: Sequence[int], max_new_tokens: int) -> CausalRun | Seq2SeqRun:
        if self._model.config.is_encoder_decoder:
            return Seq2SeqRun(self._model, prompt, max_new_tokens)
        return CausalRun(self._model, prompt, max_new_tokens, prefill_chunk=self._prefill_chunk)
