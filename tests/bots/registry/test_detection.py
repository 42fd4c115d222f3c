"""The family of a model folder, by its JSON files and its names."""

import json
from pathlib import Path

import pytest

from bots.registry.detection import folder_family
from bots.registry.known import MODEL_NAME_TO_MODEL_DICT
from tests.golden_data import GOLDEN

known_ids = MODEL_NAME_TO_MODEL_DICT.get


@pytest.mark.parametrize(
    ("checkpoint", "family"),
    [
        ("chatglm", "chatglm"),
        ("chatglm_int4", "chatglm"),
        ("chatglm2", "chatglm2"),
        ("chatglm3_32k", "chatglm3"),
        ("moss_int4", "moss"),
        ("internlm2", "amchat"),
        ("chinese_vicuna_lora", "vicuna"),
        ("llama", "auto"),
    ],
)
def test_the_files_identify_the_family(checkpoint: str, family: str) -> None:
    assert folder_family(GOLDEN / checkpoint, known_ids) == family


@pytest.mark.parametrize(
    ("name", "files", "family"),
    [
        ("my-MOSS_plugin", {"config": {"model_type": "moss"}}, "moss-plugin"),
        ("chatglm3-copy", {"config": {"model_type": "chatglm"}}, "chatglm3"),
        ("copy", {"config": {"model_type": "chatglm"}}, "chatglm2"),
        (
            "copy",
            {"config": {"model_type": "bloom", "_name_or_path": "wenge-research/yayi-7b"}},
            "yayi",
        ),
        (
            "copy",
            {
                "config": {"model_type": "llama"},
                "tokenizer_config": {"name_or_path": "edunlp/educhat-002-7b"},
            },
            "educhat",
        ),
        ("some-adapter", {"adapter_config": {"r": 8}}, "auto"),
        ("baize-lora", {"adapter_config": {"r": 8}}, "baize"),
        ("copy", {"config": {"model_type": "llama"}}, "auto"),
        ("copy", {"config": ["no object"]}, "auto"),
        (
            "chinese-vicuna-merged",
            {"config": {"model_type": "moss"}, "adapter_config": {"r": 8}},
            "moss",
        ),
        ("empty", {}, "auto"),
    ],
)
def test_names_decide_where_files_do_not_differ(
    tmp_path: Path, name: str, files: dict[str, object], family: str
) -> None:
    """Names in the files, and the name of the folder."""
    folder = tmp_path / name
    folder.mkdir()
    for file, content in files.items():
        (folder / f"{file}.json").write_text(json.dumps(content))
    assert folder_family(folder, known_ids) == family


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "\ufeff{}", "NaN", "\udcff"])
def test_a_config_that_is_no_json_is_ignored(tmp_path: Path, text: str) -> None:
    """Loading reports it."""
    (tmp_path / "config.json").write_text(text, "utf-8", "surrogateescape")
    assert folder_family(tmp_path, known_ids) == "auto"
