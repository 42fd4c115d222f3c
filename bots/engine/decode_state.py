"""The state of one answer while it is decoded: its tokens, its sampler, and when it ends.

All rules of an answer's end are here, for batched and for sequential decoding. Where the logits
come from is left to the caller.
"""

from typing import Any

import torch

from bots.engine.decoder import DecoderOutput
from bots.engine.sampler import COLDEST, Sampler, Scored, score


class DecodeState:
    """Tokens of one request: `ids` [prompt + max_new_tokens], of which the first `length` are set.

    Invariants: `length` starts at `prompt_length` and grows by one with each `take` that does not
    end the answer; `ids` never grows, so an answer ends when it is full.
    With `greedy` the most probable token is all that is needed, and the caller may compute it for
    many requests at once. `finite` replaces NaN and infinite logits before sampling.
    """

    def __init__(
        self, ids: torch.Tensor, prompt_length: int, settings: Any, *, finite: bool = False
    ) -> None:
        self.ids = ids
        self.prompt_length = self.length = prompt_length
        self.scores_prompt = settings.prompt_logprobs is not None
        self.greedy = _takes_most_probable(settings) and not finite
        self._settings = settings
        self._sampler = Sampler(settings, prompt_length, ids.device, finite=finite)
        self._end_ids = frozenset(() if settings.ignore_eos else settings.stop_token_ids)
        self._prompt_scored: list[Scored] | None = [] if self.scores_prompt else None

    def score_prompt(self, logits: torch.Tensor, end: int) -> None:
        """Score the prompt's tokens that `logits` [rows, vocabulary] predict, if that is asked for.

        The rows belong to the prompt's tokens up to `end`, exclusive; the row of a token predicts
        the one after it, so the row of the prompt's last token scores nothing here.
        """
        if self._prompt_scored is None:
            return
        first = end - len(logits) + 1
        following = self.ids[first : min(end + 1, self.prompt_length)].tolist()
        count = self._settings.prompt_logprobs
        self._prompt_scored += [
            score(logits[row].float(), token, count) for row, token in enumerate(following)
        ]

    def take(self, logits: torch.Tensor, best: int | None = None) -> DecoderOutput:
        """Choose the next token from the last row of `logits` [rows, vocabulary].

        `best` is the most probable token where the caller has it already (see `greedy`). The answer
        is complete when the output has a finish reason.
        """
        settings = self._settings
        prompt_scored, self._prompt_scored = self._prompt_scored, None
        if settings.max_new_tokens == 0:
            return DecoderOutput(prompt_scored=prompt_scored, finish_reason="length")
        token = best
        if token is None:
            token = self._sampler.choose(self.ids[None, : self.length], logits[-1:].float())
        if token in self._end_ids:
            return self._ended(token, logits, prompt_scored)
        self.ids[self.length] = token
        self.length += 1
        return DecoderOutput(
            token_ids=(token,),
            scored=self._score(logits, token),
            prompt_scored=prompt_scored,
            finish_reason="length" if self.length == len(self.ids) else None,
        )

    def _ended(
        self, token: int, logits: torch.Tensor, prompt_scored: list[Scored] | None
    ) -> DecoderOutput:
        shown = self.scores_prompt and self._settings.logprobs is not None
        return DecoderOutput(
            scored=self._score(logits, token) if shown else None,
            prompt_scored=prompt_scored,
            finish_reason="stop",
            ended_by=token if shown else None,
        )

    def _score(self, logits: torch.Tensor, token: int) -> Scored | None:
        count = self._settings.logprobs
        return None if count is None else score(logits[-1].float(), token, count)


def _takes_most_probable(settings: Any) -> bool:
    """Whether decoding is greedy and no setting changes which token is the most probable.

    Such a request needs no `Sampler`: the argmax of its logits is its next token.
    """
    return (
        settings.temperature < COLDEST
        and settings.repetition_penalty == 1
        and not settings.presence_penalty
        and not settings.frequency_penalty
        and not settings.no_repeat_ngram_size
        and not settings.min_new_tokens
    )
