"""Choosing the next token of one request from logits, and log-probabilities of tokens.

Repetition penalty, n-gram blocking, minimum length, temperature, top-k, min-p and typical-p are
transformers' own processors, so these settings mean what they mean in `generate`. Ours are:

- `CountPenalty`, because transformers has no presence and frequency penalty. It follows OpenAI's
  formula (https://platform.openai.com/docs/guides/text-generation#frequency-and-presence-penalties):
  logits − frequency · count − presence · [count > 0], counted over the answer.
- `Nucleus` (top-p), because transformers' filter sorts the whole vocabulary for each token.
- `Finite`, because transformers' processor of that kind replaces infinite logits by float32's
  largest number, which a temperature below 1 overflows.

A greedy request without penalties does not use a sampler (`decode_state.DecodeState.greedy`): the
scheduler computes one argmax for all such requests of a step (`scheduler._most_probable`).
"""

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TypicalLogitsWarper,
)

from bots.sampling import SamplingSettings

COLDEST = 1e-4
"""Decoding is greedy below this temperature, because logits divided by less may overflow."""

LEAST = -9999.0
"""The log-probability of an impossible token in OpenAI's API."""

MOST: float = torch.finfo(torch.float16).max
"""The number that replaces infinite logits: float16's largest, which no temperature overflows."""

Scored = tuple[float, list[tuple[int, float]]]
"""A token's log-probability, and the most probable (id, log-probability) pairs at its position."""


class CountPenalty(LogitsProcessor):  # type: ignore[misc]
    """Presence and frequency penalty over the answer, which begins after `prompt_tokens` ids."""

    def __init__(self, presence: float, frequency: float, prompt_tokens: int) -> None:
        self._presence, self._frequency = presence, frequency
        self._prompt_tokens = prompt_tokens

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`input_ids` [rows, length], `scores` [rows, vocabulary] → scores."""
        counts = torch.zeros_like(scores)
        answer = input_ids[:, self._prompt_tokens :]
        counts.scatter_add_(1, answer, torch.ones_like(answer, dtype=scores.dtype))
        return scores - self._frequency * counts - self._presence * (counts > 0)


class Finite(LogitsProcessor):  # type: ignore[misc]
    """Replaces NaN by `nan` and infinite scores by ±`MOST`; half precision may produce both."""

    def __init__(self, nan: float = 0.0) -> None:
        self._nan = nan

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`scores` [rows, vocabulary] → scores."""
        return torch.nan_to_num(scores, nan=self._nan, posinf=MOST, neginf=-MOST)


class Nucleus(LogitsProcessor):  # type: ignore[misc]
    """Keeps the fewest tokens whose probability is at least `top_p` together, the best first
    (https://arxiv.org/abs/1904.09751).

    Keeps what transformers' `TopPLogitsWarper` keeps, without sorting the whole vocabulary: tokens
    below (1 - top_p) / vocabulary have less than 1 - top_p together, so none of them is kept.
    """

    def __init__(self, top_p: float) -> None:
        self._top_p = top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`scores` [1, vocabulary] → scores, -inf for tokens that are not kept."""
        probabilities = torch.softmax(scores[0], dim=-1)
        floor = min((1 - self._top_p) / len(probabilities), float(probabilities.max()))
        candidates = (probabilities >= floor).nonzero()[:, 0]
        best, order = probabilities[candidates].sort(descending=True, stable=True)
        before = best.cumsum(0, dtype=torch.float64) - best
        kept = candidates[order[: max(1, int((before < self._top_p).sum()))]]
        return torch.full_like(scores, -torch.inf).index_copy_(1, kept, scores[:, kept])


class Sampler:
    """Chooses the tokens of one request.

    Each has its own random generator, so a seed gives the same answer whatever else runs. That is
    also why sampled requests are not batched here: each has its own draws, penalties and filters.
    `prompt_tokens` ids come before the answer. `finite` replaces NaN and infinite logits, which
    half precision may produce.
    """

    def __init__(
        self,
        settings: SamplingSettings,
        prompt_tokens: int,
        device: torch.device,
        *,
        finite: bool = False,
    ) -> None:
        self._penalties = _penalties(settings, prompt_tokens, device)
        if finite:
            self._penalties.append(Finite())
        self._filters = _filters(settings)
        self._greedy = settings.temperature < COLDEST
        self._random = torch.Generator(device)
        if settings.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(settings.seed)

    def choose(self, ids: torch.Tensor, logits: torch.Tensor) -> int:
        """The next token after `ids` [1, length], from float32 `logits` [1, vocabulary].

        Raises ValueError where a draw meets logits that are not finite.
        """
        scores = self._penalties(ids, logits)
        if self._greedy:
            return int(scores.argmax(-1))
        return self._draw(torch.softmax(self._filters(ids, scores)[0], dim=-1))

    def _draw(self, probabilities: torch.Tensor) -> int:
        """Draw a token by `probabilities` [vocabulary], by inverting their cumulative sum.

        torch.multinomial does the same in ten times the time over a vocabulary.
        """
        reached = probabilities.cumsum(0, dtype=torch.float64)
        total = reached[-1:]
        draw = torch.rand(1, generator=self._random, dtype=torch.float64, device=total.device)
        drawn = torch.searchsorted(reached, draw * total, right=True)
        # Rounding may put the draw at the total: the last token with a probability is the bound.
        last = torch.searchsorted(reached, total)
        token, finite = torch.cat([torch.minimum(drawn, last), total.isfinite()]).tolist()
        if not finite:
            raise ValueError("The model gave logits that are no finite numbers.")
        return int(token)


def _penalties(
    settings: SamplingSettings, prompt_tokens: int, device: torch.device
) -> LogitsProcessorList:
    chosen = LogitsProcessorList()
    if settings.repetition_penalty != 1:
        chosen.append(RepetitionPenaltyLogitsProcessor(settings.repetition_penalty))
    if settings.presence_penalty or settings.frequency_penalty:
        chosen.append(
            CountPenalty(settings.presence_penalty, settings.frequency_penalty, prompt_tokens)
        )
    if size := getattr(settings, "no_repeat_ngram_size", 0):
        chosen.append(NoRepeatNGramLogitsProcessor(size))
    least, ends = getattr(settings, "min_new_tokens", 0), getattr(settings, "stop_token_ids", ())
    if least and ends and not settings.ignore_eos:
        chosen.append(
            MinNewTokensLengthLogitsProcessor(prompt_tokens, least, list(ends), device=str(device))
        )
    return chosen


def _filters(settings: SamplingSettings) -> LogitsProcessorList:
    """The filters of the settings in the order of transformers' `generate`; order matters."""
    chosen = LogitsProcessorList()
    if settings.temperature >= COLDEST and settings.temperature != 1:
        chosen.append(TemperatureLogitsWarper(settings.temperature))
    if settings.top_k:
        chosen.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        chosen.append(Nucleus(settings.top_p))
    if settings.min_p:
        chosen.append(MinPLogitsWarper(settings.min_p))
    if settings.typical_p < 1:
        chosen.append(TypicalLogitsWarper(settings.typical_p))
    return chosen


def score(logits: torch.Tensor, token: int, count: int) -> Scored:
    """Log-probabilities of `token` and of the `count` most probable tokens.

    `logits` [vocabulary], float32. No result is below `LEAST` or NaN, because JSON has no such
    numbers.
    """
    logprobs = torch.log_softmax(logits, dim=-1).nan_to_num(nan=LEAST).clamp(min=LEAST)
    return float(logprobs[token]), top_logprobs(logprobs, count)


def top_logprobs(logprobs: torch.Tensor, count: int) -> list[tuple[int, float]]:
    """The `count` most probable (id, log-probability) pairs of `logprobs` [vocabulary]."""
    best = logprobs.topk(min(count, logprobs.shape[-1]))
    return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
