"""Encoder-decoder models: the golden T5, and settings that mean the answer alone."""

import threading
from typing import Any

import pytest
import torch
from transformers import T5ForConditionalGeneration

from bots.backends.transformers import TransformersSettings
from bots.engine.decoder import DecoderOutput
from bots.engine.seq2seq import Seq2SeqRun
from bots.engine.sequential import SequentialDecoder
from tests.golden_data import GOLDEN, Case, cases, tolerance

ROWS = [(case, row) for case in cases("t5") for row in range(len(case.ids))]


@pytest.fixture(scope="module")
def model() -> Any:
    return T5ForConditionalGeneration.from_pretrained(GOLDEN / "t5").eval()


def prompt_of(case: Case, row: int = 0) -> list[int]:
    """A row's ids without its padding."""
    ids: list[int] = case.ids[row][case.mask[row].bool()].tolist()
    return ids


def run(model: Any, case: Case, row: int = 0, **settings: Any) -> list[DecoderOutput]:
    fixed = {"temperature": 0, "max_new_tokens": 24}
    parsed = TransformersSettings.parse(fixed | settings)
    return list(SequentialDecoder(model).decode(prompt_of(case, row), parsed, threading.Event()))


def greedy_of(case: Case, row: int = 0) -> list[int]:
    """The original's own answer."""
    assert case.greedy is not None
    return case.greedy[row]


def ids_of(outputs: list[DecoderOutput]) -> list[int]:
    return [token for output in outputs for token in output.token_ids]


@pytest.mark.parametrize(("case", "row"), ROWS, ids=lambda one: getattr(one, "name", one))
def test_greedy_tokens_are_the_original_s(model: Any, case: Case, row: int) -> None:
    assert ids_of(run(model, case, row, ignore_eos=True)) == greedy_of(case, row)


@pytest.mark.parametrize("case", cases("t5"), ids=lambda case: case.name)
def test_logits_are_the_original_s(model: Any, case: Case) -> None:
    answer = torch.tensor(case.facts["decoder_input_ids"])
    with torch.inference_mode():
        logits = model(
            input_ids=case.ids, attention_mask=case.mask, decoder_input_ids=answer
        ).logits
    assert torch.allclose(logits, case.logits, atol=tolerance("t5"), rtol=0)


def test_log_probabilities_are_those_of_a_plain_forward_pass(model: Any) -> None:
    case = cases("t5")[0]
    tokens = run(model, case, max_new_tokens=5, logprobs=2)
    ids = ids_of(tokens)
    with torch.inference_mode():
        wanted = model(input_ids=case.ids, decoder_input_ids=torch.tensor([[0, *ids[:-1]]])).logits[
            0
        ]
    for position, token in enumerate(tokens):
        assert token.scored is not None
        own = float(wanted[position].log_softmax(-1)[ids[position]])
        assert token.scored[0] == pytest.approx(own, abs=1e-5)


@pytest.mark.parametrize(
    "settings",
    [{"repetition_penalty": 1.5}, {"no_repeat_ngram_size": 2}, {"min_new_tokens": 9}],
)
def test_penalties_are_those_of_generate(model: Any, settings: dict[str, Any]) -> None:
    case = cases("t5")[1]
    end = greedy_of(case)[0]
    wanted = model.generate(
        case.ids, max_new_tokens=24, do_sample=False, eos_token_id=end, **settings
    )[0, 1:].tolist()
    got = run(model, case, stop_token_ids=(end,), **settings)
    assert ids_of(got) == [one for one in wanted if one != end]


def test_penalties_for_presence_look_at_the_answer_and_not_the_prompt(model: Any) -> None:
    case = cases("t5")[0]
    [first] = ids_of(run(model, case, max_new_tokens=1, presence_penalty=2))
    assert first == greedy_of(case)[0]
    many = ids_of(run(model, case, presence_penalty=2, frequency_penalty=2, ignore_eos=True))
    assert len(set(many)) > len(set(greedy_of(case)))


def test_a_stop_before_the_decoder_gives_nothing(model: Any) -> None:
    stop = threading.Event()
    stop.set()
    run = Seq2SeqRun(model, [5, 1], 4)
    with torch.inference_mode():
        assert list(run.prefill(stop, every_position=False)) == []
    assert list(SequentialDecoder(model).decode([5, 1], TransformersSettings(), stop)) == []


def test_an_end_is_not_part_of_the_answer(model: Any) -> None:
    case = cases("t5")[0]
    end = greedy_of(case)[3]
    tokens = run(model, case, stop_token_ids=(end,))
    assert ids_of(tokens) == greedy_of(case)[: greedy_of(case).index(end)]
    assert tokens[-1].finish_reason == "stop"
