"""Scores of a prompt, with a client that computes nothing. test_bot_answers.py has the model's."""

from typing import Any, cast

import pytest

from bots.backends.llamacpp.client import LlamaCppClient
from bots.backends.llamacpp.scoring import find_score, score_prompt, scoring_request
from bots.errors import BotError
from bots.events import TokenLogprob, TopLogprob

A = {"id": 5, "token": "a", "logprob": -0.5}
B = {"id": 6, "token": "b", "logprob": -1.5}


class FakeClient:
    """Reports a choice only if it is a whole character: token 9 is "."; keeps the requests."""

    def __init__(self, candidates: list[dict[str, Any]]) -> None:
        self.candidates = candidates
        self.requests: list[dict[str, Any]] = []

    def detokenize(self, token_ids: list[int]) -> str:
        """A letter for each token."""
        return "".join(chr(92 + one) for one in token_ids)

    def tokenize(self, text: str) -> list[int]:
        """The whole character's token is the last one."""
        assert text == "."
        return [1, 9]

    def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        """The candidates where the choice is reported."""
        self.requests.append(request)
        if request["logit_bias"][0][0] != 9:
            return {"content": "\ufffd"}
        chosen = {"id": 9, "token": ".", "logprob": -9.0}
        found = chosen | {"top_logprobs": self.candidates[: request["n_probs"]]}
        return {"completion_probabilities": [found]}


def score(client: FakeClient, ids: list[int], top: int = 1) -> list[TokenLogprob]:
    """All scores of a prompt with a vocabulary of 100 tokens."""
    return list(score_prompt(cast(LlamaCppClient, client), ids, top, 100))


def test_the_first_token_has_no_score() -> None:
    """Nothing stands before it, so nothing is requested."""
    client = FakeClient([])
    assert score(client, [5]) == [TokenLogprob(5, "a", None)]
    assert client.requests == []


def test_a_token_inside_a_character_is_found_among_all_candidates() -> None:
    """The second request chooses a whole character and lists the vocabulary."""
    client = FakeClient([A, B])
    first, second = score(client, [5, 6])
    assert first.logprob is None
    assert second == TokenLogprob(6, "b", -1.5, (TopLogprob(5, "a", -0.5),))
    assert [(one["prompt"], one["n_probs"]) for one in client.requests] == [([5], 1), ([5], 100)]


def test_a_score_that_is_missing_is_an_error() -> None:
    """No number is made up."""
    with pytest.raises(BotError, match="no log-probability of token 7"):
        score(FakeClient([A, B]), [5, 7])


def test_a_tokens_score_is_found_whoever_was_chosen() -> None:
    """In the choice's own entry or among the candidates; None if it is in neither."""
    request = scoring_request((1, 2), 7, 0)
    assert (request["prompt"], request["n_probs"], request["logit_bias"][0][0]) == ([1, 2], 1, 7)
    top = [{"id": 5, "token": "a", "logprob": -0.5}, {"id": 6, "token": "b", "logprob": -1.5}]
    own = {"id": 7, "token": "c", "logprob": -9.0, "top_logprobs": top}
    answer = {"completion_probabilities": [own]}
    found = find_score(answer, 7, 1)
    assert found == TokenLogprob(7, "c", -9.0, (TopLogprob(5, "a", -0.5),))
    assert find_score(answer, 6, 0) == TokenLogprob(6, "b", -1.5)
    assert find_score(answer, 8, 1) is None
    assert find_score({"content": "\ufffd"}, 7, 1) is None
