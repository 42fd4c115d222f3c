"""Chat completions."""

from starlette.testclient import TestClient

from bots.events import TokenLogprob
from tests.server.conftest import MakeClient
from tests.server.worker.routes.openai.conftest import Letters, chat, chunks_of


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


def test_a_failure_in_a_stream_is_an_error_without_done(make_client: MakeClient) -> None:
    class Broken(Letters):
        def score(self, token: int) -> TokenLogprob:
            raise RuntimeError("secret inside")

    body = chat(stream=True, logprobs=True)
    text = make_client(Broken()).post("/v1/chat/completions", json=body).text
    assert "[DONE]" not in text
    assert '"internal_error"' in text
    assert "secret" not in text
