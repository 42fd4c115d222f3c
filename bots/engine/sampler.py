"""From logits to the next token, for one request.

The penalties and filters are transformers' own; presence and frequency penalties follow OpenAI's
formula (https://platform.openai.com/docs/guides/text-generation#frequency-and-presence-penalties):
logits − frequency · count − presence · [count > 0], counted over the answer.
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
"""Below this temperature the best token is taken: dividing logits by less would overflow."""

LEAST = -9999.0
"""The log-probability that OpenAI's API gives for what is next to impossible."""

MOST: float = torch.finfo(torch.float16).max
"""What takes the place of the infinite."""

Scored = tuple[float, list[tuple[int, float]]]
"""A token's log-probability, and the most probable (id, log-probability) at its position."""


class CountPenalty(LogitsProcessor):  # type: ignore[misc]
    """Lowers tokens that the answer already has; the prompt, `prompt_tokens` long, is free."""

    def __init__(self, presence: float, frequency: float, prompt_tokens: int) -> None:
        self._presence, self._frequency = presence, frequency
        self._prompt_tokens = prompt_tokens

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`input_ids` [rows, length], `scores` [rows, vocabulary]."""
        counts = torch.zeros_like(scores)
        answer = input_ids[:, self._prompt_tokens :]
        counts.scatter_add_(1, answer, torch.ones_like(answer, dtype=scores.dtype))
        return scores - self._frequency * counts - self._presence * (counts > 0)


class Finite(LogitsProcessor):  # type: ignore[misc]
    """Replaces what is no finite number, which half precision may give, by what is safe to divide
    by a temperature: `nan` for NaN, float16's largest for the infinite."""

    def __init__(self, nan: float = 0.0) -> None:
        self._nan = nan

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`scores` [rows, vocabulary]."""
        return torch.nan_to_num(scores, nan=self._nan, posinf=MOST, neginf=-MOST)


class Nucleus(LogitsProcessor):  # type: ignore[misc]
    """Keeps the fewest most probable tokens that together have the probability `top_p`
    (https://arxiv.org/abs/1904.09751).

    The same tokens as transformers' `TopPLogitsWarper` keeps, without sorting the vocabulary: all
    tokens below (1 - top_p) / vocabulary have less than 1 - top_p together, so none is kept.
    """

    def __init__(self, top_p: float) -> None:
        self._top_p = top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`scores` [1, vocabulary]; -inf for what is not kept."""
        probabilities = torch.softmax(scores[0], dim=-1)
        floor = min((1 - self._top_p) / len(probabilities), float(probabilities.max()))
        candidates = (probabilities >= floor).nonzero()[:, 0]
        best, order = probabilities[candidates].sort(descending=True, stable=True)
        before = best.cumsum(0, dtype=torch.float64) - best
        kept = candidates[order[: max(1, int((before < self._top_p).sum()))]]
        return torch.full_like(scores, -torch.inf).index_copy_(1, kept, scores[:, kept])


class Sampler:
    """Chooses tokens for one request; holds its random state, so nobody else's draws matter.

    `prompt_tokens` ids come before the answer. `finite` replaces logits that are NaN or infinite,
    which half precision may give.
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
        """The next token after `ids` [1, length], given its float32 `logits` [1, vocabulary]."""
        scores = self._penalties(ids, logits)
        if self._greedy:
            return int(scores.argmax(-1))
        return self._draw(torch.softmax(self._filters(ids, scores)[0], dim=-1))

    def _draw(self, probabilities: torch.Tensor) -> int:
        """A token by its probability, [vocabulary]. Raises ValueError if one is no number.

        As torch.multinomial, which takes ten times as long over a vocabulary.
        """
        reached = probabilities.cumsum(0, dtype=torch.float64)
        total = reached[-1:]
        draw = torch.rand(1, generator=self._random, dtype=torch.float64, device=total.device)
        found = torch.searchsorted(reached, draw * total, right=True)
        last = torch.searchsorted(reached, total)  # the last that can come up, despite rounding
        token, finite = torch.cat([torch.minimum(found, last), total.isfinite()]).tolist()
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
    """In the order of transformers' own `generate`."""
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
    """What `token` and the `count` best have at a position of which these are the logits.

    No log-probability is below `LEAST`, nor NaN: JSON could not carry it.
    """
    logprobs = torch.log_softmax(logits, dim=-1).nan_to_num(nan=LEAST).clamp(min=LEAST)
    return float(logprobs[token]), top_logprobs(logprobs, count)


def top_logprobs(logprobs: torch.Tensor, count: int) -> list[tuple[int, float]]:
    """The `count` most probable (id, log-probability) of one position; `logprobs` [vocabulary]."""
    best = logprobs.topk(min(count, logprobs.shape[-1]))
    return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
