"""The class for a type, a path or a spec."""

import subprocess
import sys
from pathlib import Path

import pytest

from bots.backends.echo import EchoBot
from bots.backends.llamacpp.bot import LlamaCppChatBot
from bots.errors import ConfigError
from bots.registry.known import MODEL_DICT
from bots.registry.registry import ENTRY_POINT_GROUP, check_path, choose_bot, family_of, known_bots
from tests.golden_data import GOLDEN


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
def test_the_family_of_a_path(path: str, name: str) -> None:
    assert choose_bot(path).__name__ == name


def test_an_unknown_type_names_the_nearest_and_all() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'echo'\? Known types: .*auto.*echo"):
        choose_bot(family="ecko")


def test_without_path_and_type_the_error_lists_the_choices() -> None:
    with pytest.raises(ConfigError, match="--type echo"):
        choose_bot("")


def test_a_class_from_a_file(own_file: Path) -> None:
    assert choose_bot(bot=f"{own_file}:Parrot").__name__ == "Parrot"


def test_a_class_in_model_dict(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert known_bots()["echo"] == MODEL_DICT["echo"], (
        "a package cannot replace a family of ChatZoo"
    )


@pytest.mark.parametrize("path", ["/no/such/folder", "./nothing", "a/b/c", "missing.gguf"])
def test_a_local_path_must_exist(path: str) -> None:
    with pytest.raises(ConfigError, match="nothing at"):
        check_path(path)


@pytest.mark.parametrize("path", ["", "gpt2", "owner/model", "builtin:x", "http://x/v1/y"])
def test_a_path_that_may_be_remote_is_accepted(path: str) -> None:
    check_path(path)


def test_the_group_of_entry_points_keeps_its_name() -> None:
    assert ENTRY_POINT_GROUP == "chatzoo.bots"


def test_a_folder_is_detected_by_its_files() -> None:
    assert family_of(str(GOLDEN / "moss")) == "moss"


def test_a_family_of_transformers_answers_from_a_gguf_file_by_llama_cpp() -> None:
    assert issubclass(choose_bot("some/model.gguf", family="vicuna"), LlamaCppChatBot)
    assert choose_bot("some/model.gguf", family="echo") is EchoBot
