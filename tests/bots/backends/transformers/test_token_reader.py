"""Tokens as people see them."""

from typing import Any

import pytest

from bots.backends.transformers.token_reader import TokenReader
from bots.engine.decoder import DecoderOutput
from bots.events import Step, TokenLogprob, TopLogprob


@pytest.fixture
def reader(tiny_tokenizer: Any) -> TokenReader:
    return TokenReader(tiny_tokenizer)


def test_ids_of_tokens_by_name(reader: TokenReader) -> None:
    assert reader.token_id("</s>") == 0
    assert reader.token_id("<|user|>") == 1
    assert reader.token_id("<|nothing|>") is None


def test_names_are_kept(
    reader: TokenReader, tiny_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tiny_tokenizer.encode("the")[0]
    name = reader.name(token)
    assert name == tiny_tokenizer.decode([token])
    monkeypatch.setattr(tiny_tokenizer, "decode", None)
    assert reader.name(token) == name


@pytest.mark.parametrize(
    ("skip", "shown", "text"),
    [(True, (), "why"), (False, (), "<|user|>why</s>"), (True, ("<|user|>", "fox"), "<|user|>why")],
)
def test_which_special_tokens_are_text(
    reader: TokenReader, tiny_tokenizer: Any, skip: bool, shown: tuple[str, ...], text: str
) -> None:
    ids = tiny_tokenizer.encode("<|user|>why</s>")
    inputs = reader.inputs("x", [5], skip_special_tokens=skip, shown=shown)
    assert (inputs.prompt, inputs.token_ids) == ("x", [5])
    assert inputs.detokenizer is not None
    assert inputs.detokenizer.add(ids) == text


def test_a_token_becomes_a_step_with_named_log_probabilities(reader: TokenReader) -> None:
    output = DecoderOutput((1,), scored=(-0.5, [(1, -0.5), (0, -1.0)]))
    top = (TopLogprob(1, "<|user|>", -0.5), TopLogprob(0, "</s>", -1.0))
    wanted = Step(token_ids=(1,), logprobs=(TokenLogprob(1, "<|user|>", -0.5, top),))
    assert reader.step(output, [0]) == wanted


def test_the_first_token_of_a_prompt_has_no_log_probability(reader: TokenReader) -> None:
    output = DecoderOutput(prompt_scored=[(-2.0, [])], finish_reason="length")
    step = reader.step(output, [0, 1])
    assert step.finish_reason == "length"
    assert step.prompt_logprobs == (
        TokenLogprob(0, "</s>", None),
        TokenLogprob(1, "<|user|>", -2.0),
    )


def test_a_token_that_ended_the_answer_is_scored_and_no_part_of_it(reader: TokenReader) -> None:
    output = DecoderOutput(scored=(-0.1, []), finish_reason="stop", ended_by=0)
    step = reader.step(output, [1])
    assert step.token_ids == ()
    assert step.logprobs == (TokenLogprob(0, "</s>", -0.1),)


def test_other_fields_are_passed_on(reader: TokenReader) -> None:
    assert reader.step(DecoderOutput(cached=7), [1]) == Step(cached_tokens=7)
    assert reader.step(DecoderOutput((4, 5), whole=True), [1]) == Step(token_ids=(4, 5), whole=True)
