"""OpenAI's dialect, on bots whose every step is known."""

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from bots.chatbot import ChatBot
from bots.errors import InvalidRequest
from bots.events import Message, Step, TokenLogprob, TopLogprob
from bots.hooks import Inputs
from bots.sampling import SamplingSettings
from bots.settings import BotSettings, control
from server.worker.routes.openai.shared import AppendOnly
from tests.server.conftest import MakeClient


class Letters(ChatBot):
    """Continues the alphabet from the prompt's last letter; its tokens are letters."""

    token_prompts = True
    rewriting = False

    class Settings(SamplingSettings):
        """With the scoring of prompts."""

        prompt_logprobs: int | None = control(None, "hidden", "Prompt", "Scores of the prompt.")

    def load_model(self) -> None:
        pass

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return "".join(message.content for message in messages)

    def get_input(self, prompt: str) -> Inputs:
        return Inputs(prompt, [ord(letter) for letter in prompt])

    def input_of_ids(self, token_ids: Sequence[int]) -> Inputs:
        return Inputs("".join(map(chr, token_ids)), list(token_ids))

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step]:
        assert isinstance(settings, Letters.Settings)
        assert inputs.token_ids
        if settings.prompt_logprobs is not None:
            first, *rest = inputs.token_ids
            scored = (TokenLogprob(first, chr(first), None), *(self.score(one) for one in rest))
            yield Step(prompt_logprobs=scored)
        for n in range(settings.max_new_tokens):
            token = inputs.token_ids[-1] + 1 + n
            own = (self.score(token),) if settings.logprobs is not None else ()
            last = n + 1 == settings.max_new_tokens
            yield Step(token_ids=(token,), logprobs=own, finish_reason="length" if last else None)

    def score(self, token: int) -> TokenLogprob:
        return TokenLogprob(token, chr(token), -0.5, (TopLogprob(token, chr(token), -0.5),))

    def get_response(self, step: Step, inputs: Inputs) -> str:
        return "".join(map(chr, step.token_ids))


class Upper(Letters):
    """Rewrites: every third letter changes the ones before it."""

    def process_response(self, text: str) -> str:
        return text.replace("abc", "ABC")


class Undecided(Letters):
    """Its second step replaces the first, as beams do."""

    class Settings(Letters.Settings):
        """With beams."""

        num_beams: int = control(2, "number", "Beams", "How many.")

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step]:
        yield Step(token_ids=(98, 99))
        yield Step(token_ids=(98, 100, 101), whole=True)
        yield Step(token_ids=(102,), finish_reason="stop")


class Either(Letters):
    """Answers by beams, which have no log-probabilities, unless told otherwise."""

    class Settings(Letters.Settings):
        """With beams."""

        num_beams: int = control(4, "number", "Beams", "How many.")

    def check(self, settings: BotSettings) -> None:
        assert isinstance(settings, Either.Settings)
        if settings.num_beams > 1 and settings.logprobs is not None:
            raise InvalidRequest("logprobs: not by beams.", param="logprobs")


@pytest.fixture
def letters(make_client: MakeClient) -> TestClient:
    return make_client(Letters(), name="letters")


def chunks_of(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def chat(text: str = "a", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 3, **more}


def test_the_model_is_listed(letters: TestClient) -> None:
    assert [one["id"] for one in letters.get("/v1/models").json()["data"]] == ["letters"]
    assert letters.get("/v1/models/letters").json()["object"] == "model"
    assert letters.get("/v1/models/").status_code == 404
    unknown = letters.get("/v1/models/nope")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


def test_a_chat_completion(letters: TestClient) -> None:
    reply = letters.post("/v1/chat/completions", json=chat(model="letters")).json()
    assert reply["object"] == "chat.completion"
    choice = reply["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "bcd", "reasoning_content": None}
    assert choice["finish_reason"] == "length"
    assert reply["usage"]["total_tokens"] == 4


def test_a_chat_stream_with_usage(letters: TestClient) -> None:
    body = chat(stream=True, stream_options={"include_usage": True})
    chunks = chunks_of(letters.post("/v1/chat/completions", json=body).text)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1])
    assert text == "bcd"
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 3


def test_chat_logprobs(letters: TestClient) -> None:
    reply = letters.post("/v1/chat/completions", json=chat(logprobs=True, top_logprobs=1)).json()
    content = reply["choices"][0]["logprobs"]["content"]
    assert content[0] == {
        "token": "b",
        "logprob": -0.5,
        "bytes": [98],
        "top_logprobs": [{"token": "b", "logprob": -0.5, "bytes": [98]}],
    }
    assert len(content) == 3
    chunks = chunks_of(
        letters.post("/v1/chat/completions", json=chat(stream=True, logprobs=True)).text
    )
    scored = [c["choices"][0]["logprobs"] for c in chunks if c["choices"][0]["logprobs"]]
    assert sum(len(one["content"]) for one in scored) == 3


def test_parts_of_text_and_developer_messages_are_understood(letters: TestClient) -> None:
    messages = [
        {"role": "developer", "content": "x"},
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
    ]
    reply = letters.post("/v1/chat/completions", json=chat(messages=messages, stop="d"))
    assert reply.json()["choices"][0]["message"]["content"] == "bc"
    assert reply.json()["choices"][0]["finish_reason"] == "stop"


def test_logprobs_are_had_of_a_model_that_answers_by_beams(make_client: MakeClient) -> None:
    """No field of this dialect says how many beams."""
    client = make_client(Either())
    told = client.post("/v1/chat/completions", json=chat(logprobs=True)).json()
    assert len(told["choices"][0]["logprobs"]["content"]) == 3
    assert complete(client, prompt="xa", echo=True, logprobs=1)["choices"][0]["logprobs"]


@pytest.mark.parametrize(
    ("more", "status", "param"),
    [
        ({"model": "other"}, 404, "model"),
        ({"n": 2}, 400, "n"),
        ({"temperature": 3}, 400, "temperature"),
        ({"top_logprobs": 3}, 400, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "top_logprobs"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages"),
        ({"messages": []}, 422, "messages"),
    ],
)
def test_what_cannot_be_done_is_named(
    letters: TestClient, more: dict[str, Any], status: int, param: str
) -> None:
    reply = letters.post("/v1/chat/completions", json=chat(**more))
    assert reply.status_code == status
    assert reply.json()["error"]["param"] == param


def test_unknown_fields_are_ignored_but_a_known_one_the_bot_lacks_is_not(
    letters: TestClient, make_client: MakeClient
) -> None:
    assert letters.post("/v1/chat/completions", json=chat(user="me")).status_code == 200
    for lacking in ({"temperature": 0.5}, {"logprobs": True}, {"seed": 1}):
        reply = make_client().post("/v1/chat/completions", json=chat(**lacking))
        assert reply.status_code == 400
        assert reply.json()["error"]["code"] == "unsupported_parameter"


def test_a_failure_in_a_stream_is_an_error_without_done(make_client: MakeClient) -> None:
    class Broken(Letters):
        def score(self, token: int) -> TokenLogprob:
            raise RuntimeError("secret inside")

    body = chat(stream=True, logprobs=True)
    text = make_client(Broken()).post("/v1/chat/completions", json=body).text
    assert "[DONE]" not in text
    assert '"internal_error"' in text
    assert "secret" not in text


def complete(letters: TestClient, **body: Any) -> dict[str, Any]:
    reply = letters.post("/v1/completions", json={"max_tokens": 2, **body})
    assert reply.status_code == 200, reply.text
    result: dict[str, Any] = reply.json()
    return result


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


def test_a_rewriting_bot_streams_what_it_means_in_the_end(make_client: MakeClient) -> None:
    body = {"prompt": "`", "max_tokens": 50, "stream": True}
    chunks = chunks_of(make_client(Upper()).post("/v1/completions", json=body).text)
    text = "".join(chunk["choices"][0]["text"] for chunk in chunks)
    assert text.startswith("ABCdef")
    assert len(text) == 50


def test_beams_that_change_their_mind_stream_the_answer_at_its_end(
    make_client: MakeClient,
) -> None:
    client = make_client(Undecided())
    body = {"prompt": "a", "stream": True, "return_token_ids": True}
    chunks = chunks_of(client.post("/v1/completions", json=body).text.replace(": ping\n\n", ""))
    choices = [chunk["choices"][0] for chunk in chunks]
    assert "".join(choice["text"] for choice in choices) == "bdef"
    assert [one for choice in choices for one in choice["token_ids"]] == [98, 100, 101, 102]
    joined = client.post("/v1/completions", json=body | {"stream": False}).json()
    assert joined["choices"][0]["token_ids"] == [98, 100, 101, 102]
    assert joined["usage"]["completion_tokens"] == 4
    assert client.get("/info").json()["capabilities"]["beam"] is True


def test_append_only_holds_back_and_refuses_to_lie() -> None:
    stream = AppendOnly(3)
    assert stream.advance("abcdef", final=False) == "abc"
    assert stream.advance("ab", final=False) == ""
    assert stream.advance("abcDEFG", final=True) == "DEFG"
    with pytest.raises(Exception, match="already been sent"):
        stream.advance("xyz", final=True)
