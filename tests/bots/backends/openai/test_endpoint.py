"""Address, key and client of an endpoint, and the errors that its responses become."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from bots.backends.openai.bot import OpenAIChatBot
from bots.backends.openai.endpoint import Endpoint, raise_for_refusal
from bots.errors import ConfigError, InvalidRequest, UpstreamError
from bots.registry.registry import choose_bot
from bots.settings import BotConfig

REQUEST = httpx.Request("POST", "http://h:1/v1/chat/completions")
STREAM = {"content-type": "text/event-stream; charset=utf-8"}


@pytest.mark.parametrize(
    ("path", "base", "model"),
    [
        ("http://h:1", "http://h:1/v1", ""),
        ("http://h:1/", "http://h:1/v1", ""),
        ("https://h/v1/", "https://h/v1", ""),
        ("https://h/api/v3#org/model:7b", "https://h/api/v3", "org/model:7b"),
        ("http://[::1]:80#m", "http://[::1]/v1", "m"),
    ],
)
def test_addresses(path: str, base: str, model: str) -> None:
    """With and without a path; the model behind the sharp."""
    assert Endpoint.parse(path) == Endpoint(base, model)
    assert choose_bot(path) is OpenAIChatBot


@pytest.mark.parametrize(
    "path",
    ["ftp://h", "http://", "host:80", "http://u:secret@h", "http://h?key=secret", "http://h:x"],
)
def test_wrong_addresses_are_refused_before_loading(path: str) -> None:
    """And a secret in one is not repeated."""
    with pytest.raises(ConfigError) as raised:
        OpenAIChatBot(BotConfig(pretrained_path=path))
    assert "secret" not in raised.value.message


def test_whose_key_is_sent_where() -> None:
    """Ours anywhere; OpenAI's neither unencrypted nor to another machine without TLS."""
    ours, both = {"CHATZOO_UPSTREAM_API_KEY": "a"}, {"OPENAI_API_KEY": "b"}
    for path in ("http://h:1", "https://h", "http://localhost:1"):
        assert Endpoint.parse(path).key(ours | both) == "a"
    assert Endpoint.parse("https://h").key(both) == "b"
    assert Endpoint.parse("http://127.0.0.1:1").key(both) == "b"
    assert Endpoint.parse("http://h:1").key(both) is None
    assert Endpoint.parse("http://h:1").key({}) is None


def test_the_client_sends_the_key_and_follows_no_redirect() -> None:
    """A proxy of the environment is used for other machines only."""
    client = Endpoint.parse("http://127.0.0.1:1").client({"CHATZOO_UPSTREAM_API_KEY": "a"})
    with client:
        assert client.headers["Authorization"] == "Bearer a"
        assert client.follow_redirects is False
        assert client.trust_env is False
    with Endpoint.parse("https://h").client({}) as client:
        assert "Authorization" not in client.headers
        assert client.trust_env is True


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx.ConnectError("refused"), r"http://h:1/v1 cannot be reached \(refused\)"),
        (httpx.ConnectTimeout("slow"), r"cannot be reached \(slow\)"),
        (httpx.ReadTimeout("slow"), "has said nothing for too long"),
        (httpx.RemoteProtocolError("cut"), r"broke the connection \(cut\)"),
    ],
)
def test_errors_of_the_connection(error: httpx.RequestError, message: str) -> None:
    """UpstreamError with the address, and none after a stop, which causes them itself."""
    endpoint, stop = Endpoint.parse("http://h:1"), threading.Event()
    with pytest.raises(UpstreamError, match=message), endpoint.translated_errors(stop):
        raise error
    with pytest.raises(UpstreamError, match=message), endpoint.translated_errors():
        raise error
    stop.set()
    with endpoint.translated_errors(stop):
        raise error


def test_the_response_asked_for_is_no_error() -> None:
    """A list of models need not stream."""
    raise_for_refusal(httpx.Response(200, headers=STREAM, request=REQUEST), stream=True)
    raise_for_refusal(httpx.Response(200, json={}, request=REQUEST), stream=False)
    with pytest.raises(UpstreamError, match=r"^http://h:1 did not stream .*application/json"):
        raise_for_refusal(httpx.Response(200, json={}, request=REQUEST), stream=True)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_the_sender_can_mend_is_an_invalid_request(status: int) -> None:
    """With the endpoint's own words as one sentence."""
    body = {"error": {"message": "too hot"}}
    with pytest.raises(InvalidRequest, match=rf"refuses the request \({status}\): too hot\.$"):
        raise_for_refusal(httpx.Response(status, json=body, request=REQUEST), stream=True)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_what_the_sender_cannot_mend_is_the_endpoints_error(status: int) -> None:
    """A wrong key is a matter of the worker's set-up."""
    with pytest.raises(UpstreamError, match=str(status)):
        raise_for_refusal(httpx.Response(status, text="why", request=REQUEST), stream=True)


@pytest.mark.parametrize(
    ("after", "advice"), [("7", "Try again in 7 seconds"), ("Wed, 21 Oct", "Try again later")]
)
def test_when_to_try_again(after: str, advice: str) -> None:
    """Retry-After may be a date, which is not shown."""
    answer = httpx.Response(429, headers={"retry-after": after}, request=REQUEST)
    with pytest.raises(UpstreamError, match=advice):
        raise_for_refusal(answer, stream=True)


def test_an_endless_error_body_is_cut() -> None:
    """The rest is not read."""
    read = 0

    def body() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 1024

    answer = httpx.Response(500, content=body(), request=REQUEST)
    with pytest.raises(UpstreamError, match="x…"):
        raise_for_refusal(answer, stream=True)
    assert read < 100
