"""docs/adding-a-model.md: its files, commands and claims."""

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from starlette.testclient import TestClient

import bots
import bots.families
from bots import BotConfig, choose_bot, errors
from bots.registry.registry import ENTRY_POINT_GROUP
from bots.settings import Control
from server.worker.app import create_app
from server.worker.config import load_config
from tests.docs.pages import Block, blocks, read
from tests.support import eventually

PAGE = read("docs/adding-a-model.md")
WORDS = "the cat saw the dog and the dog saw the cat and the bird saw all of the animals"
ASK = {
    "messages": [{"role": "user", "content": "the"}],
    "params": {"seed": 1, "max_new_tokens": 8},
    "stream": False,
}


def block(title: str) -> Block:
    """The one block of the page with this first line."""
    [found] = [one for one in blocks(PAGE) if one.title == title]
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the page's files and a text for the Markov chain."""
    for one in blocks(PAGE, "python"):
        if one.title.endswith(".py"):
            (tmp_path / one.title).write_text(one.text, "utf-8")
    (tmp_path / "words.txt").write_text(WORDS, "utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("parrot_bot", "markov_bot", "quiz_bot", "bots.families.markov"):
        sys.modules.pop(name, None)


@contextmanager
def worker(**options: Any) -> Iterator[TestClient]:
    """A client of a worker with these options, once its model is loaded."""
    config = load_config({"pretrained_path": "words.txt", **options}, env={})
    bot_class = choose_bot(config.pretrained_path, family=config.type, bot=config.bot)
    app = create_app(bot_class(config.bot_config()), config)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        eventually(lambda: client.get("/readyz").status_code == 200, "a ready worker")
        yield client


def assert_answers(client: TestClient) -> None:
    """The Markov chain answers in words of its text, with as many as were requested."""
    answer = client.post("/generate", json=ASK)
    assert answer.status_code == 200, answer.text
    said = answer.json()["text"].split()
    assert len(said) == 8
    assert set(said) <= set(WORDS.split())
    assert answer.json()["finish_reason"] == "length"


def test_the_page_has_these_files() -> None:
    files = [one.title for one in blocks(PAGE) if one.title.endswith((".py", ".toml"))]
    assert files == [
        "parrot_bot.py",
        "markov_bot.py",
        "pyproject.toml",
        "quiz_bot.py",
        "test_quiz_bot.py",
    ]


def test_the_first_bot_has_at_most_12_lines() -> None:
    _title, *lines = block("parrot_bot.py").text.splitlines()
    assert len(lines) <= 12


def test_the_first_bot_and_the_commands_of_the_page(folder: Path) -> None:
    start, ask, start_markov = (one.text for one in blocks(PAGE, "bash"))
    assert "markov_bot.py:MarkovBot" in start_markov
    command = shlex.split(start)
    assert command[:3] == ["python", "-m", "server"]
    environment = os.environ | {"PYTHONPATH": str(Path(bots.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, *command[1:], "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    ) as process:
        try:
            assert process.stderr is not None
            url = next(
                line.split()[-1] for line in process.stderr if line.startswith("parrot: http")
            )
            with httpx.Client(base_url=url, trust_env=False) as client:
                eventually(lambda: client.get("/readyz").status_code == 200, "a ready worker")
                words = shlex.split(ask)
                assert words[:2] == ["curl", "http://127.0.0.1:8081/generate"]
                body = json.loads(words[words.index("-d") + 1])
                answer = client.post("/generate", json=body).json()
        finally:
            process.terminate()
    assert answer["text"] == "You said: hello"


@pytest.mark.usefixtures("folder")
def test_by_file() -> None:
    """With the options of the page's command."""
    [*_, command] = blocks(PAGE, "bash")[2].text.splitlines()
    words = shlex.split(command)
    options = {words[at].lstrip("-"): words[at + 1] for at in range(3, len(words), 2)}
    assert options.pop("pretrained-path") == "words.txt"
    with worker(**options) as client:
        assert_answers(client)
        assert client.get("/info").json()["model"] == "words.txt"
        assert (
            client.post("/generate", json=ASK | {"params": {}}).json()["usage"]["completion_tokens"]
            == 512
        )


def test_by_an_entry_in_model_dict(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = ast.literal_eval("{" + block("entry in MODEL_DICT").text + "}")
    (folder / "families").mkdir()
    (folder / "families" / "markov.py").write_text(block("markov_bot.py").text, "utf-8")
    monkeypatch.setattr(
        bots.families, "__path__", [*bots.families.__path__, str(folder / "families")]
    )
    monkeypatch.setitem(bots.MODEL_DICT, "markov", entry["markov"])
    with worker(type="markov") as client:
        assert_answers(client)


def test_by_a_package_with_an_entry_point(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads(block("pyproject.toml").text)["project"]
    name, version = project["name"], project["version"]
    site = folder / "site-packages"
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata, "utf-8")
    points = project["entry-points"][ENTRY_POINT_GROUP]
    listed = "\n".join(f"{key} = {value}" for key, value in points.items())
    text = f"[{ENTRY_POINT_GROUP}]\n{listed}\n"
    (info / "entry_points.txt").write_text(text, "utf-8")
    (site / "markov_bot.py").write_text(block("markov_bot.py").text, "utf-8")
    monkeypatch.syspath_prepend(str(site))
    with worker(type="markov") as client:
        assert_answers(client)


@pytest.mark.usefixtures("folder")
def test_settings_are_the_controls_that_the_page_shows() -> None:
    [shown] = [json.loads(one.text) for one in blocks(PAGE, "json")]
    with worker(bot="markov_bot.py:MarkovBot") as client:
        fields = client.get("/params").json()["properties"]
        assert fields["seed"] == shown
        assert list(fields) == ["max_new_tokens", "stop", "seed", "faithful"]
        refused = client.post("/generate", json=ASK | {"params": {"faithful": 2}})
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "faithful"
        one, two = (client.post("/generate", json=ASK).json()["text"] for _ in range(2))
        assert one == two


def test_the_attributes_of_a_family_and_their_defaults() -> None:
    from bots.backends.transformers import TransformersChatBot

    table = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", PAGE, re.MULTILINE)
    assert table
    for name, default in table:
        assert getattr(TransformersChatBot, name) == ast.literal_eval(default), name
    example = block("quiz_bot.py").text
    used = {name for name, _ in table if f"\n    {name} = " in example}
    assert used == {name for name, _ in table} - {"reasoning_tags", "finite_logits"}


def test_every_control_is_in_the_table() -> None:
    for kind in get_args(Control):
        assert f"| `{kind}` |" in PAGE


@pytest.mark.usefixtures("folder")
def test_a_wrong_path_is_one_sentence() -> None:
    bot_class = choose_bot(bot="markov_bot.py:MarkovBot")
    with pytest.raises(errors.LoadError, match="Cannot read 'nothing'"):
        bot_class(BotConfig(pretrained_path="nothing")).load()


@pytest.mark.usefixtures("folder")
def test_the_golden_test_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(".")
    try:
        importlib.import_module("test_quiz_bot").test_prompt()
    finally:
        sys.modules.pop("test_quiz_bot", None)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint of two untrained layers, with a tokenizer that knows `<|end|>`."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<unk>", "<|end|>", *dict.fromkeys(f"Question: Answer: {WORDS}".split())]
    inner = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, "<unk>"))
    inner.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", additional_special_tokens=["<|end|>"]
    )
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=96,
        eos_token_id=None,
        bos_token_id=None,
    )
    tokenizer.save_pretrained(tmp_path / "checkpoint")
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.mark.usefixtures("folder")
def test_the_family_on_transformers(checkpoint: Path) -> None:
    with worker(bot="quiz_bot.py:QuizBot", pretrained_path=str(checkpoint)) as client:
        fields = client.get("/params").json()["properties"]
        assert fields["temperature"]["default"] == 0.2
        assert fields["max_new_tokens"]["default"] == 64
        assert fields["hint"]["x-control"] == "text"
        assert "top_p" in fields
        turns = [
            {"role": role, "content": WORDS} for _ in range(3) for role in ("user", "assistant")
        ]
        turns.append({"role": "user", "content": "the"})
        body = {"messages": turns, "params": {"temperature": 0, "hint": "cat"}}
        prompt = client.post("/prompt", json=body).json()
        assert prompt["dropped_turns"] > 0
        assert prompt["prompt"].endswith("\nHint: cat\nQuestion: the\nAnswer:")
        answer = client.post("/generate", json={**body, "stream": False})
        assert answer.status_code == 200, answer.text
        assert answer.json()["text"] == answer.json()["text"].strip() != ""
