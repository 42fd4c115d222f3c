"""Settings to llama.cpp's request, its chunks to steps. No model."""

from typing import Any

import pytest

from bots.backends.llamacpp.chunks import ChunkReader, completion_request
from bots.errors import BotError
from bots.events import Usage
from bots.sampling import SamplingSettings


def no_tokens(text: str) -> list[int]:
    """A tokenizer that must not be asked."""
    raise AssertionError(text)


def chunk(text: str, ids: list[int], predicted: int, **more: Any) -> dict[str, Any]:
    """A chunk in the middle of an answer."""
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": None} | more
    return {"choices": [choice], "__verbose": {"tokens": ids, "tokens_predicted": predicted}}


def test_every_setting_reaches_llama_cpp() -> None:
    """Under llama.cpp's name; a setting that is forgotten here would be a dead control."""
    values: dict[str, Any] = {
        "temperature": 0.3,
        "top_k": 7,
        "top_p": 0.4,
        "min_p": 0.2,
        "typical_p": 0.6,
        "repetition_penalty": 1.3,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "seed": 11,
        "logprobs": 4,
        "ignore_eos": True,
        "max_new_tokens": 9,
    }
    assert set(values) | {"stop", "prompt_logprobs"} == set(SamplingSettings.model_fields)
    request = completion_request([1, 2], SamplingSettings(**values), 1000)
    renamed = {"max_new_tokens": "max_tokens", "repetition_penalty": "repeat_penalty"}
    assert {name: request[renamed.get(name, name)] for name in values} == values
    assert request["prompt"] == [1, 2]
    assert request["repeat_last_n"] == 1000


def test_a_greedy_choice_is_made_without_probabilities() -> None:
    """They cost a softmax over the vocabulary at each token; penalties still count."""
    request = completion_request(
        [1], SamplingSettings(temperature=0, top_k=50, repetition_penalty=1.3), 10
    )
    assert (request["samplers"], request["top_k"]) == (["penalties", "top_k"], 1)
    assert request["repeat_penalty"] == 1.3
    assert "top_p" in completion_request([1], SamplingSettings(temperature=0.1), 10)["samplers"]


def test_what_is_not_set_is_not_sent() -> None:
    """llama.cpp chooses a seed, and computes no log-probabilities."""
    request = completion_request([1], SamplingSettings(), 1000)
    assert "seed" not in request
    assert "logprobs" not in request


def test_no_candidates_still_give_the_tokens_own_logprob() -> None:
    """llama.cpp has no 0, so one is asked for and cut."""
    assert completion_request([1], SamplingSettings(logprobs=0), 10)["logprobs"] == 1
    entry = {"id": 5, "token": "a", "logprob": -0.5, "top_logprobs": [
        {"id": 5, "token": "a", "logprob": -0.5}]}  # fmt: skip
    step = ChunkReader(no_tokens, 0).step(chunk("a", [5], 1, logprobs={"content": [entry]}))
    assert step is not None
    assert [(one.token_id, one.logprob, one.top) for one in step.logprobs] == [(5, -0.5, ())]


def test_tokens_inside_a_character_are_found_again() -> None:
    """llama.cpp gives the last of three; the text has the others."""
    reader = ChunkReader({"🌟": [7, 8, 9]}.__getitem__)
    step = reader.step(chunk("🌟", [9], 3))
    assert step is not None
    assert step.token_ids == (7, 8, 9)
    step = reader.step(chunk("a", [5], 4))
    assert step is not None
    assert step.token_ids == (5,)


@pytest.mark.parametrize("again", [[7, 9], [7, 8, 6]])
def test_other_tokens_of_the_same_text_are_not_taken(again: list[int]) -> None:
    """Neither another number of them nor another last one."""
    step = ChunkReader(lambda text: again).step(chunk("🌟", [9], 3))
    assert step is not None
    assert step.token_ids == (9,)


def test_news_about_the_prompt_is_no_step() -> None:
    """It is there to look at the stop."""
    reader = ChunkReader(no_tokens)
    assert reader.step(chunk("", [], 0) | {"prompt_progress": {"processed": 128}}) is None


@pytest.mark.parametrize(("given", "reason"), [("stop", "stop"), ("length", "length")])
def test_the_last_chunk_has_reason_and_usage(given: str, reason: str) -> None:
    """The cached part of the prompt too."""
    reader = ChunkReader(no_tokens)
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 3},
    }
    step = reader.step(chunk("", [], 4, finish_reason=given) | {"usage": usage})
    assert step is not None
    assert (step.finish_reason, step.usage) == (reason, Usage(9, 4, 3))
    assert reader.finished


def test_an_error_in_the_stream_is_raised() -> None:
    """As the error that it means."""
    with pytest.raises(BotError, match="x"):
        ChunkReader(no_tokens).step({"error": {"message": "x"}})
