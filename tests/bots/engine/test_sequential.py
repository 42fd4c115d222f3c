"""Sequential decoding against transformers' `generate`, on a tiny model."""

import threading
from typing import Any

import pytest
import torch

from bots.backends.transformers import TransformersSettings
from bots.engine.decoder import DecoderOutput
from bots.engine.sequential import SequentialDecoder

PROMPT = [5, 60, 7, 100, 31, 8, 9, 200]


def run(
    model: Any, prompt: list[int] = PROMPT, *, chunk: int = 256, **settings: Any
) -> list[DecoderOutput]:
    parsed = TransformersSettings.parse({"temperature": 0, "max_new_tokens": 20} | settings)
    decoder = SequentialDecoder(model, prefill_chunk=chunk)
    return list(decoder.decode(prompt, parsed, threading.Event()))


def ids_of(outputs: list[DecoderOutput]) -> list[int]:
    return [token for output in outputs for token in output.token_ids]


def generated(model: Any, end: int | None = None, **options: Any) -> list[int]:
    """The new tokens of transformers' `generate`, without the one that ends them."""
    ids = torch.tensor([PROMPT])
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=20,
        eos_token_id=end,
        pad_token_id=0,
        **options,
    )
    new: list[int] = out[0, len(PROMPT) :].tolist()
    return new[:-1] if new[-1] == end else new


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"repetition_penalty": 1.3}, {"repetition_penalty": 1.3}),
        ({"no_repeat_ngram_size": 2}, {"no_repeat_ngram_size": 2}),
    ],
)
def test_greedy_tokens_are_those_of_generate(
    tiny_model: Any, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    assert ids_of(run(tiny_model, **ours)) == generated(tiny_model, do_sample=False, **theirs)


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
def test_prefill_in_chunks_changes_nothing(tiny_model: Any, chunk: int) -> None:
    assert ids_of(run(tiny_model, chunk=chunk)) == ids_of(run(tiny_model))


def test_a_seed_gives_the_same_answer_and_another_seed_another(tiny_model: Any) -> None:
    def sampled(seed: int) -> list[int]:
        return ids_of(run(tiny_model, temperature=1.5, top_p=1, seed=seed))

    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)


def test_without_a_seed_answers_differ(tiny_model: Any) -> None:
    first, second = (ids_of(run(tiny_model, temperature=2, top_p=1)) for _ in range(2))
    assert first != second


def test_top_k_of_one_is_greedy(tiny_model: Any) -> None:
    assert ids_of(run(tiny_model, temperature=1, top_k=1)) == ids_of(run(tiny_model))


def test_a_stop_token_ends_the_answer_and_is_not_part_of_it(tiny_model: Any) -> None:
    whole = ids_of(run(tiny_model))
    end = whole[4]
    tokens = run(tiny_model, stop_token_ids=(end,))
    assert ids_of(tokens) == whole[: whole.index(end)]
    assert tokens[-1].finish_reason == "stop"
    assert ids_of(run(tiny_model, stop_token_ids=(end,), ignore_eos=True)) == whole


def test_an_answer_does_not_end_before_its_least_length(tiny_model: Any) -> None:
    whole = ids_of(run(tiny_model))
    end = whole[1]
    tokens = run(tiny_model, stop_token_ids=(end,), min_new_tokens=6)
    assert end not in ids_of(tokens)[:6]
    assert len(ids_of(tokens)) >= 6
    assert ids_of(tokens) == generated(tiny_model, do_sample=False, min_new_tokens=6, end=end)


def test_a_least_length_forbids_nothing_where_ends_are_ignored(tiny_model: Any) -> None:
    whole = ids_of(run(tiny_model))
    tokens = run(tiny_model, stop_token_ids=(whole[1],), ignore_eos=True, min_new_tokens=6)
    assert ids_of(tokens) == whole


def test_logits_that_are_no_numbers_can_be_replaced(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = tiny_model.forward

    def broken(*arguments: Any, **inputs: Any) -> Any:
        output = forward(*arguments, **inputs)
        output.logits[..., ::2] = torch.nan
        output.logits[..., 7] = torch.inf
        return output

    monkeypatch.setattr(tiny_model, "forward", broken)
    settings = TransformersSettings(temperature=0.01, max_new_tokens=2)
    decoder = SequentialDecoder(tiny_model, finite=True)
    tokens = list(decoder.decode(PROMPT, settings, threading.Event()))
    assert ids_of(tokens) == [7, 7]


def test_the_last_token_allowed_says_length(tiny_model: Any) -> None:
    tokens = run(tiny_model, max_new_tokens=3)
    assert [token.finish_reason for token in tokens] == [None, None, "length"]


def test_stop_ends_it_before_the_next_step(tiny_model: Any) -> None:
    stop = threading.Event()
    stream = SequentialDecoder(tiny_model).decode(PROMPT, TransformersSettings(), stop)
    next(stream)
    stop.set()
    assert list(stream) == []


def test_stop_is_seen_between_chunks_of_a_prompt(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, calls = threading.Event(), []
    forward = tiny_model.forward

    def counted(*arguments: Any, **inputs: Any) -> Any:
        calls.append(1)
        stop.set()
        return forward(*arguments, **inputs)

    monkeypatch.setattr(tiny_model, "forward", counted)
    decoder = SequentialDecoder(tiny_model, prefill_chunk=2)
    assert list(decoder.decode(PROMPT, TransformersSettings(), stop)) == []
    assert len(calls) == 1


def test_log_probabilities_are_those_of_a_plain_forward_pass(tiny_model: Any) -> None:
    tokens = run(tiny_model, chunk=3, max_new_tokens=5, logprobs=2, prompt_logprobs=2)
    scores = tokens[0].prompt_scored
    assert scores is not None
    scores += [token.scored for token in tokens if token.scored]
    ids = PROMPT + ids_of(tokens)
    with torch.inference_mode():
        wanted = tiny_model(torch.tensor([ids])).logits[0].log_softmax(-1)
    assert len(scores) == len(ids) - 1
    for position, (own, best) in enumerate(scores):
        assert own == pytest.approx(float(wanted[position, ids[position + 1]]), abs=1e-5)
        assert [one for one, _ in best] == wanted[position].topk(2).indices.tolist()


def test_nothing_new_is_wanted(tiny_model: Any) -> None:
    assert run(tiny_model, max_new_tokens=0) == [DecoderOutput(finish_reason="length")]
    [scored] = run(tiny_model, max_new_tokens=0, prompt_logprobs=0)
    assert scored.finish_reason == "length"
    assert scored.prompt_scored is not None
    assert len(scored.prompt_scored) == len(PROMPT) - 1
