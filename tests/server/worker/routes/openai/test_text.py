"""Text completions: raw prompts, echo, log-probabilities."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.server.conftest import MakeClient
from tests.server.worker.routes.openai.conftest import Letters, chunks_of, complete


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a", ["bc"]),
        (["a", "x"], ["bc", "yz"]),
        ([97], ["bc"]),
        ([[97], [120]], ["bc", "yz"]),
    ],
)
def test_prompts_are_texts_or_ids_one_or_many(
    letters: TestClient, prompt: Any, texts: list[str]
) -> None:
    reply = complete(letters, prompt=prompt)
    assert [choice["text"] for choice in reply["choices"]] == texts
    assert [choice["index"] for choice in reply["choices"]] == list(range(len(texts)))
    assert reply["usage"]["completion_tokens"] == 2 * len(texts)


def test_echo_and_logprobs_cover_prompt_and_answer(letters: TestClient) -> None:
    choice = complete(letters, prompt="xa", echo=True, logprobs=1, return_token_ids=True)[
        "choices"
    ][0]
    assert choice["text"] == "xabc"
    assert choice["logprobs"] == {
        "tokens": ["x", "a", "b", "c"],
        "token_logprobs": [None, -0.5, -0.5, -0.5],
        "top_logprobs": [None, {"a": -0.5}, {"b": -0.5}, {"c": -0.5}],
        "text_offset": [0, 1, 2, 3],
    }
    assert choice["token_ids"] == [98, 99]
    assert choice["prompt_token_ids"] == [120, 97]


def test_the_prompt_alone_can_be_scored(letters: TestClient) -> None:
    choice = complete(letters, prompt="xa", echo=True, logprobs=0, max_tokens=0)["choices"][0]
    assert choice["text"] == "xa"
    assert choice["logprobs"]["token_logprobs"] == [None, -0.5]


def test_completions_stream_each_choice(letters: TestClient) -> None:
    body = {
        "prompt": ["a", "x"],
        "max_tokens": 2,
        "stream": True,
        "echo": True,
        "stream_options": {"include_usage": True},
    }
    chunks = chunks_of(letters.post("/v1/completions", json=body).text)
    texts = {0: "", 1: ""}
    for chunk in chunks[:-1]:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == {0: "abc", 1: "xyz"}
    assert chunks[-1]["usage"]["completion_tokens"] == 4


def test_text_offsets_go_on_from_chunk_to_chunk(letters: TestClient) -> None:
    body = {"prompt": "xa", "max_tokens": 3, "stream": True, "echo": True, "logprobs": 0}
    chunks = chunks_of(letters.post("/v1/completions", json=body).text)
    found = [at for c in chunks for at in c["choices"][0]["logprobs"]["text_offset"]]
    assert found == [0, 1, 2, 3, 4]


def test_more_prompts_than_places_are_refused_together(make_client: MakeClient) -> None:
    client = make_client(Letters(), max_queue=1)
    reply = client.post("/v1/completions", json={"prompt": ["a", "b", "c"]})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "prompt")
    assert "2 prompts" in reply.json()["error"]["message"]
    assert client.app.state.worker.runner.running == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("prompt", [[], [[]], "", ["a", ""]])
def test_an_empty_prompt_is_refused(letters: TestClient, prompt: Any) -> None:
    reply = letters.post("/v1/completions", json={"prompt": prompt, "max_tokens": 1})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "prompt")


def test_a_bot_that_takes_no_raw_prompts_says_so(client: TestClient) -> None:
    reply = client.post("/v1/completions", json={"prompt": "a"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "prompt")
