"""Choosing the next token: each setting against its definition."""

from typing import Any

import pytest
import torch

from bots.engine.sampler import CountPenalty, Sampler, score, top_logprobs
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
