"""A small real server that speaks OpenAI's dialect, for the tests of the bot."""

import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Upstream:
    """An endpoint whose answers the test writes. Keeps the requests.

    Clear `silent_before` (the status) or `silent_after` (the frames) to have it send nothing there
    until the client leaves, which sets `gone`.
    """

    def __init__(self) -> None:
        self.models: list[dict[str, Any]] = [{"id": "m", "object": "model"}]
        self.status = 200
        self.headers: dict[str, str] = {"Content-Type": "text/event-stream"}
        self.frames: list[str] = []
        self.silent_before = threading.Event()
        self.silent_before.set()
        self.silent_after = threading.Event()
        self.silent_after.set()
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.gone = threading.Event()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            """Speaks HTTP/1.0: the end of the connection is the end of the answer."""

            def log_message(self, *args: object) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                """The models."""
                upstream.note(self, None)
                body = json.dumps({"object": "list", "data": upstream.models}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                """The frames, with silence before the status or after the frames."""
                size = int(self.headers["Content-Length"])
                upstream.note(self, json.loads(self.rfile.read(size)))
                upstream.hold(upstream.silent_before, self.connection)
                self.send_response(upstream.status)
                for name, value in upstream.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                # A client that has stopped reads no more.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    for frame in upstream.frames:
                        self.wfile.write(frame.encode(errors="surrogateescape"))
                        self.wfile.flush()
                upstream.hold(upstream.silent_after, self.connection)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def note(self, handler: BaseHTTPRequestHandler, body: object) -> None:
        """Keep the path, headers and body of a request."""
        self.requests.append((handler.path, dict(handler.headers), body))

    def hold(self, until: threading.Event, connection: socket.socket) -> None:
        """Send nothing until `until` is set or the client is gone."""
        connection.settimeout(0.01)
        while not until.is_set():
            try:
                if connection.recv(1) == b"":
                    self.gone.set()
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                self.gone.set()
                return
        connection.settimeout(None)

    def says(self, *chunks: object, done: bool = True) -> None:
        """Set the frames: chunks as JSON."""
        self.frames = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
        if done:
            self.frames.append("data: [DONE]\n\n")

    def close(self) -> None:
        """Stop."""
        self.silent_before.set()
        self.silent_after.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def text(content: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk with text."""
    return {
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]
    } | more
