"""The benchmark of smaller weights: its forms, and perplexity from a worker's scores."""

import math
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.quantized import forms, judged_text, perplexity
from bots.commands.perplexity import WINDOW

pytestmark = pytest.mark.model


def test_perplexity_is_over_all_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first token of each window has no score, and a last window of one token is left out."""
    asked: list[list[int]] = []

    def post(url: str, json: dict[str, Any], timeout: float) -> httpx.Response:
        asked.append(json["prompt"])
        assert json["echo"] is True
        assert json["max_tokens"] == 0
        scores = [None] + [-float(len(asked))] * (len(json["prompt"]) - 1)
        answer = {"choices": [{"logprobs": {"token_logprobs": scores}}]}
        return httpx.Response(200, json=answer, request=httpx.Request("POST", url))

    monkeypatch.setattr(httpx, "post", post)
    ids = list(range(2 * WINDOW + 1))
    found = perplexity("http://127.0.0.1:1", ids)
    assert [len(one) for one in asked] == [WINDOW, WINDOW]
    assert found == pytest.approx(math.exp(1.5))


@pytest.mark.usefixtures("builtin_folder", "builtin_gguf")
def test_every_form_has_files_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    for form in forms(tmp_path):
        assert form.files
        assert all(file.is_file() for file in form.files)
    named = [form.name for form in forms(None)]
    assert not [name for name in named if "GPTQ" in name]
    assert "GGUF Q4_1, llama.cpp" in named


def test_the_text_is_the_documentation() -> None:
    assert judged_text().count("\n# ") > 3
