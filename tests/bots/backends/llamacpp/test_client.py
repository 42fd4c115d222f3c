"""The client of llama.cpp's server, against a small server on a Unix socket. No model."""

import json
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from bots.backends.llamacpp.client import LlamaCppClient, error_from
from bots.errors import BotError, ContextLengthExceeded, InvalidRequest


class Server(socketserver.ThreadingUnixStreamServer):
    """Answers every request with `status` (0: not at all) and `body`; keeps the requests."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.status = 200
        self.body = b"{}"
        self.requests: list[tuple[str, str, Any]] = []
        super().__init__(str(path), Handler)

    def says(self, body: object, status: int = 200) -> None:
        """Set the answer."""
        self.status, self.body = status, json.dumps(body).encode()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def handle_any(self) -> None:
        """Keep the request and send the answer."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(
            (self.command, self.path, json.loads(content) if content else None)
        )
        if not self.server.status:
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST = handle_any


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    """A running server."""
    with Server(folder / "llama.sock") as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def client(folder: Path) -> Iterator[LlamaCppClient]:
    """A client for the socket in `folder`."""
    made = LlamaCppClient(folder / "llama.sock", timeout=10)
    yield made
    made.close()


TURNS = [{"role": "user", "content": "你好"}]


@pytest.mark.parametrize(
    ("call", "request_", "body", "result"),
    [
        (lambda one: one.properties(), ("GET", "/props", None), {"n": 1}, {"n": 1}),
        (lambda one: one.slots(), ("GET", "/slots", None), [{"id": 0}], [{"id": 0}]),
        (
            lambda one: one.apply_template(TURNS),
            ("POST", "/apply-template", {"messages": TURNS}),
            {"prompt": "p"},
            "p",
        ),
        (
            lambda one: one.tokenize("a", add_special=True),
            ("POST", "/tokenize", {"content": "a", "add_special": True, "parse_special": False}),
            {"tokens": [1, 2]},
            [1, 2],
        ),
        (
            lambda one: one.tokenize("<s>", special=True),
            ("POST", "/tokenize", {"content": "<s>", "add_special": False, "parse_special": True}),
            {"tokens": [1]},
            [1],
        ),
        (
            lambda one: one.detokenize((1, 2)),
            ("POST", "/detokenize", {"tokens": [1, 2]}),
            {"content": "a"},
            "a",
        ),
        (
            lambda one: one.complete({"prompt": [1]}),
            ("POST", "/completion", {"prompt": [1]}),
            {"content": "b"},
            {"content": "b"},
        ),
    ],
)
def test_each_request_and_its_result(
    server: Server,
    client: LlamaCppClient,
    call: Callable[[LlamaCppClient], object],
    request_: tuple[str, str, object],
    body: object,
    result: object,
) -> None:
    """Method, path and JSON are llama.cpp's; the result is the useful part of the answer."""
    server.says(body)
    assert call(client) == result
    assert server.requests == [request_]


def test_an_error_status_is_an_exception(server: Server, client: LlamaCppClient) -> None:
    """With llama.cpp's message; a template's refusal is the fault of the messages."""
    server.says({"error": {"type": "server_error", "message": "broken"}}, 500)
    with pytest.raises(BotError, match=r"llama\.cpp: broken"):
        client.slots()
    server.says({"error": {"message": "roles must alternate"}}, 500)
    with pytest.raises(InvalidRequest, match="refuses them: roles must alternate") as raised:
        client.apply_template(TURNS)
    assert raised.value.param == "messages"


def test_no_answer_is_one_sentence(server: Server, client: LlamaCppClient) -> None:
    """No JSON, the end of the connection, or the end of the client."""
    server.body = b"<html>"
    with pytest.raises(BotError, match="does not answer: JSONDecodeError"):
        client.slots()
    server.status = 0
    with pytest.raises(BotError, match="does not answer: RemoteProtocolError"):
        client.slots()
    client.close()
    with pytest.raises(BotError, match="does not answer: RuntimeError"):
        client.slots()


def test_errors_keep_their_meaning() -> None:
    """A full context is not an internal error."""
    too_long = error_from(
        {"type": "exceed_context_size_error", "message": "m", "n_prompt_tokens": 9, "n_ctx": 5}
    )
    assert isinstance(too_long, ContextLengthExceeded)
    assert (too_long.prompt_tokens, too_long.context_length) == (9, 5)
    assert isinstance(error_from({"type": "invalid_request_error"}), InvalidRequest)
    assert type(error_from({"type": "server_error", "message": "x"})) is BotError
