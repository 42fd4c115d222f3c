"""Settings, streams and beams, as chat and text completions share them."""

import pytest
from starlette.testclient import TestClient

from server.worker.routes.openai.shared import AppendOnly
from tests.server.conftest import MakeClient
from tests.server.worker.routes.openai.conftest import (
    Either,
    Undecided,
    Upper,
    chat,
    chunks_of,
    complete,
)


def test_logprobs_of_a_model_that_answers_by_beam_search(make_client: MakeClient) -> None:
    """OpenAI's requests have no field for the number of beams."""
    client = make_client(Either())
    body = client.post("/v1/chat/completions", json=chat(logprobs=True)).json()
    assert len(body["choices"][0]["logprobs"]["content"]) == 3
    assert complete(client, prompt="xa", echo=True, logprobs=1)["choices"][0]["logprobs"]


def test_unknown_fields_are_ignored_but_a_known_one_the_bot_lacks_is_not(
    letters: TestClient, make_client: MakeClient
) -> None:
    assert letters.post("/v1/chat/completions", json=chat(user="me")).status_code == 200
    for lacking in ({"temperature": 0.5}, {"logprobs": True}, {"seed": 1}):
        reply = make_client().post("/v1/chat/completions", json=chat(**lacking))
        assert reply.status_code == 400
        assert reply.json()["error"]["code"] == "unsupported_parameter"


def test_a_rewriting_bot_streams_its_final_text(make_client: MakeClient) -> None:
    body = {"prompt": "`", "max_tokens": 50, "stream": True}
    chunks = chunks_of(make_client(Upper()).post("/v1/completions", json=body).text)
    text = "".join(chunk["choices"][0]["text"] for chunk in chunks)
    assert text.startswith("ABCdef")
    assert len(text) == 50


def test_beam_search_streams_the_answer_at_its_end(
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


def test_append_only_holds_text_back_and_refuses_rewritten_text() -> None:
    stream = AppendOnly(3)
    assert stream.advance("abcdef", final=False) == "abc"
    assert stream.advance("ab", final=False) == ""
    assert stream.advance("abcDEFG", final=True) == "DEFG"
    with pytest.raises(Exception, match="already been sent"):
        stream.advance("xyz", final=True)
