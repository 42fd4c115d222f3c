"""Finding the class for a model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bots.backends.echo import EchoBot
from bots.chatbot import ChatBot
from bots.errors import ConfigError
from bots.registry.known import MODEL_DICT, MODEL_NAME_TO_MODEL_DICT
from bots.registry.registry import ENTRY_POINT_GROUP, check_path, choose_bot, family_of, known_bots
from tests.golden_data import GOLDEN

OWN_BOT = '''
from bots.backends.echo import EchoBot

class Parrot(EchoBot):
    """A bot of somebody's own."""

number = 3
'''


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "my_bot.py"
    path.write_text(OWN_BOT)
    return path


def test_listing_models_imports_no_model_library() -> None:
    code = f"""
import sys, bots
from bots.registry.registry import family_of, known_bots
known_bots()
family_of({str(GOLDEN / "moss")!r})
print({{*sys.modules}} & {{"torch", "transformers", "sympy"}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_family_can_be_loaded() -> None:
    for name in MODEL_DICT:
        assert issubclass(choose_bot(family=name), ChatBot)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("builtin:smollm2", "AutoBot"),
        ("builtin:smollm2-gguf", "LlamaCppChatBot"),
        ("some/model.gguf", "LlamaCppChatBot"),
        ("http://127.0.0.1:9/v1", "OpenAIChatBot"),
        ("owner/model", "AutoBot"),
        ("fnlp/moss-moon-003-sft", "MossBot"),
        ("fnlp/moss-moon-003-sft-plugin-int4", "MossPluginBot"),
        ("Facico/Chinese-Vicuna-lora-7b-3epoch-belle-and-guanaco", "VicunaInstructBot"),
        ("Facico/Chinese-Vicuna-lora-7b-chatv1", "VicunaBot"),
        ("Facico/something-else", "AutoBot"),
    ],
)
def test_a_path_tells_its_family(path: str, name: str) -> None:
    assert choose_bot(path).__name__ == name


def test_every_known_id_has_a_family_that_is_there() -> None:
    """And is recognised as it is."""
    for name, family in MODEL_NAME_TO_MODEL_DICT.items():
        assert family in MODEL_DICT
        assert family_of(name) == family


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
def test_a_folder_tells_its_family(checkpoint: str, family: str) -> None:
    """By its JSON files."""
    assert family_of(str(GOLDEN / checkpoint)) == family


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
def test_names_tell_apart_what_differs_in_nothing_else(
    tmp_path: Path, name: str, files: dict[str, object], family: str
) -> None:
    """The names in the files, and the folder's own."""
    folder = tmp_path / name
    folder.mkdir()
    for file, content in files.items():
        (folder / f"{file}.json").write_text(json.dumps(content))
    assert family_of(str(folder)) == family


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "\ufeff{}", "NaN", "\udcff"])
def test_a_config_that_is_no_json_tells_nothing(tmp_path: Path, text: str) -> None:
    """Loading says what is wrong with it."""
    (tmp_path / "config.json").write_text(text, "utf-8", "surrogateescape")
    assert family_of(str(tmp_path)) == "auto"


def test_an_unknown_type_names_the_nearest_and_all() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'echo'\? Known types: .*auto.*echo"):
        choose_bot(family="ecko")


def test_without_path_and_type_the_error_says_what_to_give() -> None:
    with pytest.raises(ConfigError, match="--type echo"):
        choose_bot("")


def test_a_class_of_ones_own_from_a_file(own_file: Path) -> None:
    assert choose_bot(bot=f"{own_file}:Parrot").__name__ == "Parrot"


def test_a_class_of_ones_own_in_the_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODEL_DICT, "mine", EchoBot)
    assert choose_bot(family="mine") is EchoBot
    monkeypatch.setitem(MODEL_DICT, "mine", "bots.backends.echo:EchoBot")
    assert choose_bot(family="mine") is EchoBot


def test_a_class_from_an_entry_point(
    tmp_path: Path, own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "own-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[chatzoo.bots]\nparrot = my_bot:Parrot\necho = my_bot:Parrot\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert choose_bot(family="parrot").__name__ == "Parrot"
    assert known_bots()["echo"] == MODEL_DICT["echo"], "a package cannot take over a name of ours"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("Parrot", "file.py:Class or module:Class"),
        ("nowhere.py:Parrot", "no file 'nowhere.py'"),
        ("no_such_module:Parrot", "no module 'no_such_module'"),
        ("{file}:Macaw", "no class 'Macaw'"),
        ("{file}:number", "not a subclass"),
    ],
)
def test_a_wrong_bot_is_explained(own_file: Path, spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        choose_bot(bot=spec.format(file=own_file))


def test_an_error_inside_ones_own_file_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "broken_bot.py"
    path.write_text("import not_installed_anywhere\n")
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        choose_bot(bot=f"{path}:Any")


def test_a_missing_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bots_needing_more.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="needs the package 'not_installed_anywhere'"):
        choose_bot(bot="bots_needing_more:Any")


@pytest.mark.parametrize("path", ["/no/such/folder", "./nothing", "a/b/c", "missing.gguf"])
def test_a_local_path_must_exist(path: str) -> None:
    with pytest.raises(ConfigError, match="nothing at"):
        check_path(path)


@pytest.mark.parametrize("path", ["", "gpt2", "owner/model", "builtin:x", "http://x/v1/y"])
def test_what_may_be_elsewhere_is_not_refused(path: str) -> None:
    check_path(path)


def test_the_group_of_entry_points_keeps_its_name() -> None:
    assert ENTRY_POINT_GROUP == "chatzoo.bots"
