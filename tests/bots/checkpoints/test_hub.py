"""A model fetched from a hub: the real client against a small server of its protocol."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bots.errors import LoadError
from bots.events import Delta
from bots.registry.registry import choose_bot
from bots.settings import BotConfig
from tests.golden_data import GOLDEN

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "THUDM/chatglm3-6b"
FOLDER = GOLDEN / "chatglm3"


def _files() -> list[Path]:
    """The checkpoint's, and code that nobody asks for."""
    return [*sorted(FOLDER.iterdir()), FOLDER / "modeling_chatglm.py"]


def _entry(path: Path) -> dict[str, object]:
    size = path.stat().st_size if path.is_file() else 1
    return {"type": "file", "path": path.name, "size": size, "oid": path.name}


class Hub(BaseHTTPRequestHandler):
    """What huggingface_hub asks: the list of a repository's files, and each file."""

    asked: list[str]

    def do_HEAD(self) -> None:
        """The facts of a file."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """A list or a file."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.asked.append(self.path)
        api = f"/api/models/{REPO}"
        if self.path.startswith(f"{api}/tree/"):
            return self._send(json.dumps([_entry(path) for path in _files()]).encode(), body=body)
        if self.path.startswith(api):
            files = [{"rfilename": path.name} for path in _files()]
            facts = {"id": REPO, "sha": COMMIT, "siblings": files}
            return self._send(json.dumps(facts).encode(), body=body)
        name = self.path.rpartition("/")[2]
        if self.path.startswith(f"/{REPO}/resolve/") and (FOLDER / name).is_file():
            return self._send((FOLDER / name).read_bytes(), body=body)
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.send_header("X-Error-Code", "RepoNotFound")
        return self.end_headers()

    def _send(self, content: bytes, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The paths that are asked of a hub on loopback."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneHub", (Hub,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    yield asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_known_id_is_fetched_and_answers(hub: list[str]) -> None:
    """No `--type`, no code fetched, the commit is reported, and progress has fractions."""
    reported: list[tuple[str, float | None]] = []
    bot = choose_bot(REPO)(BotConfig(REPO, devices="cpu", dtype="float32"))
    bot.load(lambda stage, done: reported.append((stage, done)))
    assert bot.info().revision == COMMIT
    assert not [path for path in hub if path.endswith(".py")]
    inputs = bot.get_input("你好")
    assert inputs.token_ids
    events = bot.run(bot.prepare_text("你好", bot.Settings.parse({"max_new_tokens": 3})))
    assert any(isinstance(event, Delta) for event in events)
    assert [done for stage, done in reported if done is not None]
    del hub[:]
    again = choose_bot(REPO)(BotConfig(REPO, devices="cpu", dtype="float32"))
    again.load()
    assert not [path for path in hub if path.endswith(".bin")], "fetched twice"


def test_an_id_that_the_hub_does_not_have(hub: list[str]) -> None:
    bot = choose_bot("no/such")(BotConfig("no/such"))
    with pytest.raises(LoadError, match=r"Cannot load the tokenizer of 'no/such'") as caught:
        bot.load()
    assert "\n" not in caught.value.message
    assert hub
