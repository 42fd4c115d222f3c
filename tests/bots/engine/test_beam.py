"""Beam search against transformers' own, and its outputs on the way."""

import threading
from typing import Any

import pytest
import torch
from transformers import T5ForConditionalGeneration

from bots.backends.transformers import TransformersSettings
from bots.engine.beam import BeamDecoder
from bots.engine.decoder import DecoderOutput
from bots.engine.fair_lock import FairLock
from tests.golden_data import GOLDEN

PROMPT = [5, 60, 7, 100, 31, 8, 9, 200]
VICUNA = {"temperature": 0.1, "top_p": 0.75, "top_k": 40, "repetition_penalty": 2.0}


@pytest.fixture(scope="module")
def t5() -> Any:
    return T5ForConditionalGeneration.from_pretrained(GOLDEN / "t5").eval()


def parsed(**settings: Any) -> TransformersSettings:
    fixed = {"temperature": 0, "max_new_tokens": 16, "num_beams": 4}
    return TransformersSettings.parse(fixed | settings)


def run(model: Any, **settings: Any) -> list[DecoderOutput]:
    return list(BeamDecoder(model).decode(PROMPT, parsed(**settings), never()))


def never() -> threading.Event:
    """A stop that is not set."""
    return threading.Event()


def answer_of(steps: list[DecoderOutput]) -> list[int]:
    """The ids of the answer after all outputs."""
    ids: list[int] = []
    for step in steps:
        ids = list(step.token_ids) if step.whole else [*ids, *step.token_ids]
    return ids


def generated(model: Any, start: int, end: int | None, **options: Any) -> list[int]:
    ids = torch.tensor([PROMPT])
    options = {"num_beams": 4} | options
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=16,
        eos_token_id=end,
        pad_token_id=0,
        **options,
    )
    new: list[int] = out[0, start:].tolist()
    return new[:-1] if new[-1] == end else new


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize(
    "options",
    [{}, {"repetition_penalty": 1.5}, {"no_repeat_ngram_size": 2}, {"min_new_tokens": 8}],
)
def test_the_answer_is_that_of_generate(
    tiny_model: Any, t5: Any, kind: str, ends: bool, options: dict[str, Any]
) -> None:
    model, start = (tiny_model, len(PROMPT)) if kind == "causal" else (t5, 1)
    end = answer_of(run(model))[2] if ends else None
    steps = run(model, stop_token_ids=(end,) if ends else (), **options)
    wanted = generated(model, start, end, do_sample=False, **options)
    assert answer_of(steps) == wanted
    assert steps[-1].finish_reason == ("stop" if len(wanted) < 16 else "length")
    assert all(step.finish_reason is None for step in steps[:-1])


@pytest.mark.parametrize(
    "wish",
    [
        {"stop_strings": ["a"]},
        {"num_beam_groups": 2, "diversity_penalty": 0.5},
        {"guidance_scale": 2.0},
        {"forced_eos_token_id": 9},
        {"max_time": 0.0},
    ],
)
def test_what_the_checkpoint_wishes_besides_is_not_done(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch, wish: dict[str, Any]
) -> None:
    """Other decoders do not do it either; some of it `generate` refuses, or fetches code for."""
    wanted = answer_of(run(tiny_model))
    for name, value in wish.items():
        monkeypatch.setattr(tiny_model.generation_config, name, value, raising=False)
    assert answer_of(run(tiny_model)) == wanted


def test_the_best_so_far_is_shown_each_step_and_replaced_when_another_is_better(t5: Any) -> None:
    steps = run(t5)
    assert len(steps) == 16
    assert {step.whole for step in steps} == {True, False}
    assert [len(answer_of(steps[: n + 1])) for n in range(16)] == list(range(1, 17))


def test_ends_can_be_ignored(t5: Any) -> None:
    end = answer_of(run(t5))[2]
    assert answer_of(run(t5, stop_token_ids=(end,), ignore_eos=True)) == answer_of(run(t5))


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_a_complete_hypothesis_grows_no_more_and_the_best_of_all_is_the_answer(
    tiny_model: Any, t5: Any, kind: str
) -> None:
    """A token that completes is as one that ends, but is part of the answer."""
    model = tiny_model if kind == "causal" else t5
    met = []
    for end in answer_of(run(model))[:5]:
        ended = run(model, stop_token_ids=(end,))
        decoder = BeamDecoder(model, completion_of=lambda _: lambda ids: ids[-1] == end)  # noqa: B023
        steps = list(decoder.decode(PROMPT, parsed(), never()))
        assert ended[-1].finish_reason == steps[-1].finish_reason
        met.append(ended[-1].finish_reason == "stop")
        assert answer_of(steps) == answer_of(ended) + [end] * met[-1]
    assert any(met)


@pytest.mark.parametrize(
    "options", [VICUNA, {"temperature": 1.0, "top_k": 1}, {"temperature": 1.5, "top_p": 1.0}]
)
def test_a_seed_gives_the_same_beams_and_touches_no_other_numbers(
    tiny_model: Any, options: dict[str, Any]
) -> None:
    before = torch.random.get_rng_state()
    first, second = (answer_of(run(tiny_model, seed=3, **options)) for _ in range(2))
    assert first == second
    assert torch.equal(torch.random.get_rng_state(), before)


def test_sampled_beams_are_those_of_generate_with_that_seed(tiny_model: Any) -> None:
    options = {"temperature": 1.3, "top_p": 0.9, "top_k": 30}
    got = answer_of(run(tiny_model, seed=5, **options))
    with torch.random.fork_rng([]):
        torch.manual_seed(5)
        assert generated(tiny_model, len(PROMPT), None, do_sample=True, **options) == got


def test_other_seeds_and_no_seed_give_other_beams(tiny_model: Any) -> None:
    def sampled(seed: int | None) -> list[int]:
        return answer_of(run(tiny_model, temperature=1.8, top_p=1, seed=seed))

    assert sampled(1) != sampled(2)
    assert sampled(None) != sampled(None)


def test_penalties_for_presence_count_the_answer(tiny_model: Any) -> None:
    plain, varied = (
        answer_of(run(tiny_model, frequency_penalty=penalty, presence_penalty=penalty))
        for penalty in (0, 2)
    )
    assert len(set(varied)) > len(set(plain))


def test_logits_that_are_no_numbers_can_be_replaced(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = type(tiny_model).forward

    def broken(self: Any, *arguments: Any, **inputs: Any) -> Any:
        output = forward(self, *arguments, **inputs)
        output.logits[:] = torch.nan
        return output

    monkeypatch.setattr(type(tiny_model), "forward", broken)
    decoder = BeamDecoder(tiny_model, finite=True)
    steps = list(decoder.decode(PROMPT, parsed(temperature=1), never()))
    assert len(answer_of(steps)) == 16


def test_a_hypothesis_whose_logits_are_no_numbers_loses(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all but the best broken at each step, what is left is a greedy search."""
    forward = type(tiny_model).forward
    greedy = generated(tiny_model, len(PROMPT), None, do_sample=False, num_beams=1)

    def broken(self: Any, *arguments: Any, **inputs: Any) -> Any:
        output = forward(self, *arguments, **inputs)
        output.logits[1:, :, 7] = torch.nan
        return output

    monkeypatch.setattr(type(tiny_model), "forward", broken)
    decoder = BeamDecoder(tiny_model, finite=True)
    assert answer_of(list(decoder.decode(PROMPT, parsed(), never()))) == greedy


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "beam"]


def test_stop_ends_it_within_a_step(tiny_model: Any) -> None:
    stop = threading.Event()
    stream = BeamDecoder(tiny_model).decode(PROMPT, parsed(max_new_tokens=2000), stop)
    next(stream)
    stop.set()
    seen = list(stream)
    assert len(seen) < 100
    assert all(step.finish_reason is None for step in seen)
    assert threads() == []


def test_closing_it_ends_the_thread(tiny_model: Any) -> None:
    stop = threading.Event()
    stream = BeamDecoder(tiny_model).decode(PROMPT, parsed(max_new_tokens=2000), stop)
    next(stream)
    assert threads() == ["beam"]
    stream.close()  # type: ignore[attr-defined]
    assert threads() == []
    assert not stop.is_set()


def test_what_goes_wrong_in_the_thread_is_raised(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("x")

    monkeypatch.setattr(type(tiny_model), "forward", full)
    with pytest.raises(torch.OutOfMemoryError):
        run(tiny_model)
    assert threads() == []


def test_a_least_length_over_the_limit_is_the_limit(tiny_model: Any) -> None:
    end = answer_of(run(tiny_model))[1]
    steps = run(tiny_model, stop_token_ids=(end,), max_new_tokens=5, min_new_tokens=9)
    assert len(answer_of(steps)) == 5


def test_nothing_new_is_wanted(tiny_model: Any) -> None:
    assert run(tiny_model, max_new_tokens=0) == [DecoderOutput(finish_reason="length")]


def test_one_search_at_a_time(tiny_model: Any) -> None:
    """A second one waits, and leaves the queue when it is stopped."""
    decoder = BeamDecoder(tiny_model)
    first = decoder.decode(PROMPT, parsed(), never())
    next(first)
    stop = threading.Event()
    stop.set()
    assert list(decoder.decode(PROMPT, parsed(), stop)) == []
    answer = answer_of(list(first))
    assert answer_of(list(decoder.decode(PROMPT, parsed(), never()))) != []
    assert len(answer) <= 16


def test_each_step_leaves_the_model_to_others(tiny_model: Any) -> None:
    """Whoever waits for the lock gets it long before the search ends."""
    lock = FairLock()
    stream = BeamDecoder(tiny_model, model_lock=lock).decode(
        PROMPT, parsed(max_new_tokens=1500), never()
    )
    next(stream)
    with lock:
        pass
    assert threads() == ["beam"]
    stream.close()  # type: ignore[attr-defined]
