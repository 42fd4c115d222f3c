"""The rules of an answer: which token, its log-probabilities, and when it ends."""

from typing import Any

import pytest
import torch

from bots.backends.transformers import TransformersSettings
from bots.engine.decode_state import DecodeState
from bots.engine.decoder import DecoderOutput
from tests.bots.engine.models import chosen

PROMPT = [3, 1, 4]


def state_of(settings: TransformersSettings, *, finite: bool = False) -> DecodeState:
    ids = torch.zeros(len(PROMPT) + settings.max_new_tokens, dtype=torch.long)
    ids[: len(PROMPT)] = torch.tensor(PROMPT)
    return DecodeState(ids, len(PROMPT), settings, finite=finite)


def logits_for(*tokens: int) -> torch.Tensor:
    """Rows in which these tokens are the most probable."""
    rows = torch.zeros(len(tokens), 8)
    rows[torch.arange(len(tokens)), torch.tensor(tokens)] = 5.0
    return rows


def test_tokens_are_appended_until_the_answer_is_full() -> None:
    state = state_of(chosen(max_new_tokens=2))
    assert state.take(logits_for(6)) == DecoderOutput((6,))
    assert state.take(logits_for(7)) == DecoderOutput((7,), finish_reason="length")
    assert state.ids.tolist() == [*PROMPT, 6, 7]
    assert state.length == 5


def test_the_last_row_counts() -> None:
    assert state_of(chosen()).take(logits_for(1, 2, 3)).token_ids == (3,)


def test_the_caller_s_most_probable_token_is_taken() -> None:
    assert state_of(chosen()).take(logits_for(6), best=2).token_ids == (2,)


def test_an_end_token_is_not_part_of_the_answer() -> None:
    ends = {"ignore_eos": False, "stop_token_ids": (5,)}
    state = state_of(chosen(**ends))
    assert state.take(logits_for(5)) == DecoderOutput(finish_reason="stop")
    assert state.length == len(PROMPT)
    ignoring = state_of(chosen(stop_token_ids=(5,)))
    assert ignoring.take(logits_for(5)) == DecoderOutput((5,))


def test_no_new_tokens_are_wanted() -> None:
    state = state_of(chosen(max_new_tokens=0))
    assert state.take(logits_for(5)) == DecoderOutput(finish_reason="length")


def test_log_probabilities_of_tokens() -> None:
    output = state_of(chosen(logprobs=1)).take(logits_for(6))
    wanted = float(logits_for(6)[0].log_softmax(-1)[6])
    assert output.scored is not None
    own, [(best, logprob)] = output.scored
    assert own == logprob == pytest.approx(wanted)
    assert best == 6


@pytest.mark.parametrize("chunks", [[3], [1, 2], [1, 1, 1]])
def test_the_prompt_is_scored_over_the_borders_of_chunks(chunks: list[int]) -> None:
    state = state_of(chosen(prompt_logprobs=0))
    rows = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    end = 0
    for size in chunks:
        end += size
        state.score_prompt(rows[end - size : end], end)
    first, second = state.take(rows), state.take(rows)
    assert first.prompt_scored is not None
    wanted = [float(rows[at].log_softmax(-1)[PROMPT[at + 1]]) for at in range(2)]
    assert [own for own, _ in first.prompt_scored] == pytest.approx(wanted)
    assert second.prompt_scored is None


def test_a_prompt_that_is_not_to_be_scored_is_not() -> None:
    state = state_of(chosen())
    state.score_prompt(logits_for(1, 2, 3), 3)
    assert not state.scores_prompt
    assert state.take(logits_for(1)).prompt_scored is None


def test_the_end_token_is_scored_where_prompt_and_answer_are() -> None:
    """Programs that score prompts ask for one token and cut its place off."""
    ends = {"ignore_eos": False, "stop_token_ids": (5,)}
    both = state_of(chosen(**ends, logprobs=0, prompt_logprobs=0)).take(logits_for(5))
    assert both.ended_by == 5
    assert both.scored is not None
    assert (both.token_ids, both.finish_reason) == ((), "stop")
    answer = state_of(chosen(**ends, logprobs=0)).take(logits_for(5))
    assert (answer.ended_by, answer.scored) == (None, None)


@pytest.mark.parametrize(
    ("settings", "finite", "greedy"),
    [
        ({"temperature": 1e-5}, False, True),
        ({}, False, True),
        ({}, True, False),
        ({"logprobs": 1}, False, True),
        ({"temperature": 0.5}, False, False),
        ({"repetition_penalty": 1.1}, False, False),
        ({"presence_penalty": 1}, False, False),
        ({"frequency_penalty": 1}, False, False),
        ({"no_repeat_ngram_size": 2}, False, False),
        ({"min_new_tokens": 1}, False, False),
    ],
)
def test_greedy_is_where_no_setting_changes_the_most_probable_token(
    settings: dict[str, Any], finite: bool, greedy: bool
) -> None:
    assert state_of(chosen(**settings), finite=finite).greedy is greedy


def test_penalties_see_the_tokens_so_far() -> None:
    state = state_of(chosen(presence_penalty=2))
    rows = torch.zeros(1, 8)
    rows[0, 6], rows[0, 7] = 1.5, 1.0
    assert [state.take(rows).token_ids for _ in range(2)] == [(6,), (7,)]
