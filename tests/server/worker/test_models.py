"""Workers of original checkpoints: each answers natively and in its own model's dialect, and what
cannot be loaded is one sentence."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from bots.registry.registry import choose_bot
from server.worker.app import create_app
from server.worker.config import load_config
from tests.golden_data import GOLDEN, NAMES, TYPES
from tests.support import eventually

SHORT = {"max_new_tokens": 8, "temperature": 0}
LENGTHS = {"moss": "n_positions", "llama": "max_position_embeddings"}
"""Tiny models whose context is shorter than their family's own system text."""


def worker(**options: Any) -> TestClient:
    """A worker in this process, as the command line would make it."""
    config = load_config({"devices": "cpu", "dtype": "float32", **options}, env={})
    bot = choose_bot(config.pretrained_path, family=config.type)(config.bot_config())
    return TestClient(create_app(bot, config), base_url="http://127.0.0.1")


def wait_for(client: TestClient, state: str) -> None:
    eventually(lambda: client.get("/info").json()["state"] == state, f"the state {state}")


def folder_of(name: str, parent: Path) -> Path:
    """The original folder; where its context is too short, the same files with a longer one."""
    field = LENGTHS.get(name.split("_")[0])
    if field is None:
        return GOLDEN / name
    folder = parent / name
    folder.mkdir()
    for file in (GOLDEN / name).iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "config.json").unlink()
    config = json.loads((GOLDEN / name / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {field: 2048}))
    return folder


@pytest.fixture(scope="module", params=NAMES)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, TestClient]]:
    """A ready worker of each golden checkpoint."""
    name: str = request.param
    folder = folder_of(name, tmp_path_factory.mktemp("long"))
    options = {"pretrained_path": str(folder), "type": TYPES.get(name)}
    if name == "chinese_vicuna_lora":
        options["base_model"] = str(GOLDEN / "llama")
    with worker(**options) as client:
        wait_for(client, "ready")
        yield name, client


def test_it_answers_natively(served: tuple[str, TestClient]) -> None:
    """`/generate` with the family's own prompt and settings: a whole stream, ended by `done`."""
    _, client = served
    asked = {"messages": [{"role": "user", "content": "你好, hello"}], "params": SHORT}
    reply = client.post("/generate", json=asked)
    assert reply.status_code == 200, reply.text
    events = [line for line in reply.text.splitlines() if line.startswith("event: ")]
    assert events[0] == "event: start"
    assert events[-1] == "event: done"
    whole = client.post("/generate", json=asked | {"stream": False}).json()
    assert whole["usage"]["completion_tokens"] <= 8
    assert (
        whole["usage"]["prompt_tokens"]
        == client.post("/prompt", json={"messages": asked["messages"]}).json()["count"]
    )


def test_it_answers_its_model_s_own_clients(served: tuple[str, TestClient]) -> None:
    """ChatGLM's with a history, EduChat's and MOSS's with a uid, the others as ChatZoo did."""
    name, client = served
    if name.startswith("chatglm"):
        length = 300 if "chatglm3" in name else 80  # prompt and answer
        body = {"prompt": "再见", "history": [["你好", "好"]], "max_length": length}
        reply = client.post("/", json=body).json()
        assert reply.get("status") == 200, reply
        assert reply["history"] == [["你好", "好"], ["再见", reply["response"]]]
    elif name.startswith(("moss", "llama")):
        asked = {"prompt": "hi", "max_length": 700}
        first = client.post("/educhat" if "llama" in name else "/", json=asked).json()
        assert first.get("status") == 200, first
        assert first["history"] == [["hi", first["response"]]]
        assert first["uid"]
    else:
        turns = [{"role": "HUMAN", "content": "hi"}]
        reply = client.post("/", json={"query": turns, "params": SHORT}).json()
        assert reply["status"] == 0, reply
        assert isinstance(reply["response"], str)


# -- what cannot be loaded ------------------------------------------------------------------------


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def truncated(folder: Path) -> None:
    shard = folder / "pytorch_model-00002-of-00003.bin"
    shard.write_bytes(shard.read_bytes()[:-1000])


def missing(folder: Path) -> None:
    (folder / "pytorch_model-00003-of-00003.bin").unlink()


def other_tokenizer(folder: Path) -> None:
    shutil.copy(GOLDEN / "t5" / "spiece.model", folder / "tokenizer.model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 100}))


def unknown(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "odd"}))


def malicious(folder: Path) -> None:
    torch.save({"a": Evil(folder / "it-ran")}, folder / "pytorch_model-00001-of-00003.bin")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (truncated, "00002-of-00003.bin .* damaged or cut short"),
        (missing, "1 of 3 shards are missing"),
        (other_tokenizer, "belong to different models"),
        (unknown, "no architecture 'odd'.*Known families: .*educhat"),
        (malicious, "could run code"),
    ],
)
def test_a_broken_model_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], break_it: Any, words: str
) -> None:
    """The worker stays up and says why; nobody is shown a traceback."""
    folder = shutil.copytree(GOLDEN / "llama", tmp_path / "llama")
    break_it(folder)
    fails(capfd, words, pretrained_path=str(folder), type="educhat")
    assert not (folder / "it-ran").exists()


def test_an_adapter_of_another_base_is_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    """Its layers have other shapes, or other names."""
    adapter = str(GOLDEN / "chinese_vicuna_lora")
    for base in ("internlm2", "firefly"):
        fails(
            capfd,
            "does not fit its base model",
            pretrained_path=adapter,
            base_model=str(GOLDEN / base),
            type="vicuna",
        )


def fails(capfd: pytest.CaptureFixture[str], words: str, **options: Any) -> None:
    with worker(**options) as client:
        wait_for(client, "failed")
        error = client.get("/info").json()["error"]
        refused = client.post("/generate", json={"messages": [{"role": "user", "content": "x"}]})
    assert re.search(words, error), error
    assert "\n" not in error
    assert refused.status_code == 503
    printed = "".join(capfd.readouterr())
    assert "Traceback" not in printed + refused.text
