"""Decode one request: the prompt, then a token a step, until an end or a stop. Does not batch.

`bots.engine.causal` and `bots.engine.seq2seq` know how models of each kind take tokens in.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bots.engine.causal import Causal
from bots.engine.sampler import Sampler, Scored, score
from bots.engine.seq2seq import Seq2Seq
from bots.events import FinishReason


@dataclass(frozen=True, slots=True)
class Token:
    """One step of decoding. `token_id` is None when there is only something else to tell.

    `cached` comes once, before the first token: how many tokens of the prompt were known already.
    `ended_by` is the token that ended the answer, where the prompt is scored and so it is too:
    programs that score prompts ask for one token and count on its place.
    """

    token_id: int | None = None
    scored: Scored | None = None
    prompt_scored: list[Scored] | None = None
    finish_reason: FinishReason | None = None
    cached: int = 0
    ended_by: int | None = None


@torch.inference_mode()  # type: ignore[untyped-decorator]
def decode(
    model: Any,
    prompt: Sequence[int],
    settings: Any,
    stop: threading.Event,
    *,
    finite: bool = False,
) -> Iterator[Token]:
    """The answer to a prompt of token ids, token by token.

    `settings` is a `TransformersSettings`. The log-probabilities are the model's own, before
    penalties and temperature. A token that ends the answer is not part of it. `finite` replaces
    logits that are no finite numbers before a token is chosen.
    """
    kind = Seq2Seq if model.config.is_encoder_decoder else Causal
    run = kind(model, prompt, settings.max_new_tokens)
    prompt_scored = run.prefill(stop, settings.prompt_logprobs)
    if stop.is_set():
        return
    if prompt_scored is not None:
        yield Token(prompt_scored=prompt_scored)
    if settings.max_new_tokens == 0:
        yield Token(finish_reason="length")
        return
    sampler = Sampler(settings, run.start, run.logits.device, finite=finite)
    ends = () if settings.ignore_eos else frozenset(settings.stop_token_ids)
    for length in range(run.start, run.ids.shape[1]):
        logits = run.logits
        token = sampler.choose(run.ids[:, :length], logits)
        if token in ends:
            yield end(token, logits[0], settings)
            return
        run.ids[0, length] = token
        last = length + 1 == run.ids.shape[1]
        scored = None if settings.logprobs is None else score(logits[0], token, settings.logprobs)
        yield Token(token, scored, finish_reason="length" if last else None)
        if last or stop.is_set():
            return
        run.advance(length + 1)


def end(token: int, logits: torch.Tensor, settings: Any) -> Token:
    """What is told of a token that ends an answer; `logits` [vocabulary] are those it came from."""
    if settings.prompt_logprobs is None or settings.logprobs is None:
        return Token(finish_reason="stop")
    scored = score(logits.float(), token, settings.logprobs)
    return Token(scored=scored, finish_reason="stop", ended_by=token)
