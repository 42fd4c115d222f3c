"""Choosing the next token: each setting against its definition."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import TopPLogitsWarper

from bots.engine.sampler import CountPenalty, Nucleus, Sampler, score, top_logprobs
from bots.sampling import SamplingSettings

LOGITS = torch.tensor([[4.0, 3.0, 2.0, 1.0, 0.0]])
IDS = torch.tensor([[0, 3, 0, 0]])


def chosen(draws: int = 300, **settings: Any) -> set[int]:
    """Every token that comes up."""
    parsed = SamplingSettings.parse({"temperature": 1, "top_p": 1, "seed": 0} | settings)
    sampler = Sampler(parsed, 2, torch.device("cpu"))
    return {sampler.choose(IDS, LOGITS.clone()) for _ in range(draws)}


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({}, {0, 1, 2, 3, 4}),
        ({"temperature": 0}, {0}),
        ({"temperature": 1e-45}, {0}),
        ({"temperature": 1e-320}, {0}),
        ({"temperature": 2e-4}, {0}),
        ({"top_k": 2}, {0, 1}),
        ({"top_p": 0.6}, {0}),
        ({"top_p": 0.7}, {0, 1}),
        ({"min_p": 0.3}, {0, 1}),
        ({"typical_p": 0.2}, {1}),
        ({"temperature": 0.05}, {0}),
        ({"temperature": 0, "presence_penalty": 2}, {1}),
        ({"temperature": 0, "frequency_penalty": 0.4}, {0}),
        ({"temperature": 0, "repetition_penalty": 2}, {1}),
    ],
)
def test_what_can_come_up(settings: dict[str, Any], tokens: set[int]) -> None:
    assert chosen(**settings) == tokens


def test_presence_and_frequency_count_the_answer_alone() -> None:
    scores = CountPenalty(0.5, 0.25, prompt_tokens=2)(IDS, LOGITS)
    # The answer is two times token 0; token 3 is only in the prompt.
    assert scores.tolist() == [[4.0 - 2 * 0.25 - 0.5, 3.0, 2.0, 1.0, 0.0]]


def test_logits_are_not_changed_in_place() -> None:
    logits = LOGITS.clone()
    settings = SamplingSettings(temperature=0.5, top_k=2, presence_penalty=1, seed=1)
    Sampler(settings, 2, torch.device("cpu")).choose(IDS, logits)
    assert torch.equal(logits, LOGITS)


def test_the_best_tokens_come_first() -> None:
    assert top_logprobs(LOGITS[0], 2) == [(0, 4.0), (1, 3.0)]
    assert len(top_logprobs(LOGITS[0], 20)) == 5


@pytest.mark.parametrize("odd", [torch.nan, torch.inf, -torch.inf])
def test_log_probabilities_are_finite_whatever_the_logits(odd: float) -> None:
    """JSON has no other numbers; −9999 is OpenAI's for "next to impossible"."""
    own, best = score(torch.tensor([odd, 1.0, 0.0]), 0, 3)
    assert own == -9999.0
    assert all(-9999.0 <= logprob <= 0 for _, logprob in best)


@given(st.integers(0, 999), st.floats(0, 0.999), st.floats(0.1, 20), st.integers(1, 500))
def test_the_nucleus_is_what_transformers_keeps(
    seed: int, top_p: float, spread: float, size: int
) -> None:
    """But for a token at the very border, which rounding decides."""
    scores = torch.randn(1, size, generator=torch.Generator().manual_seed(seed)) * spread
    mine, theirs = Nucleus(top_p)(IDS, scores), TopPLogitsWarper(top_p)(IDS, scores)
    differs = (mine.isfinite() != theirs.isfinite())[0]
    assert torch.softmax(scores[0].double(), -1)[differs].sum() < 1e-6 or (
        differs.sum() == 1 and near_the_border(scores, mine, top_p)
    )
    assert torch.equal(mine[mine.isfinite()], scores[mine.isfinite()])
    assert mine.isfinite().any()


def near_the_border(scores: torch.Tensor, kept: torch.Tensor, top_p: float) -> bool:
    probabilities = torch.softmax(scores[0].double(), -1)
    inside = float(probabilities[kept[0].isfinite()].sum())
    least = float(probabilities[kept[0].isfinite()].min())
    return min(abs(inside - top_p), abs(inside - least - top_p)) < 1e-5


def test_draws_follow_the_probabilities() -> None:
    """Within four standard deviations, and never what has none."""
    logits = torch.tensor([[-torch.inf, 0.0, 1.0, 2.0, -torch.inf]])
    settings = SamplingSettings(temperature=1, top_p=1, seed=7)
    sampler = Sampler(settings, 0, torch.device("cpu"))
    count = 4000
    draws = torch.tensor([sampler.choose(IDS, logits) for _ in range(count)])
    for token, share in enumerate(torch.softmax(logits[0], -1).tolist()):
        slack = 4 * (count * share * (1 - share)) ** 0.5
        assert abs(int((draws == token).sum()) - count * share) <= slack


@pytest.mark.parametrize("top_p", [0.9, 1])
def test_logits_that_are_not_finite_raise(top_p: float) -> None:
    settings = SamplingSettings(temperature=1, top_p=top_p)
    with pytest.raises(ValueError, match="finite"):
        Sampler(settings, 0, torch.device("cpu")).choose(IDS, LOGITS * torch.nan)
