"""Classes from modules and files, and what is reported where there is none."""

from pathlib import Path

import pytest

import bots.families
from bots.errors import ConfigError
from bots.registry.importing import load_class, load_object
from bots.registry.known import MODEL_DICT


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
def test_a_wrong_spec_is_explained(own_file: Path, spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_class(spec.format(file=own_file))


def test_an_error_inside_a_file_is_raised_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "broken_bot.py"
    path.write_text("import not_installed_anywhere\n")
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        load_class(f"{path}:Any")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bots_needing_more.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="needs the package 'not_installed_anywhere'"):
        load_class("bots_needing_more:Any")


def test_a_class_from_a_file(own_file: Path) -> None:
    assert load_class(f"{own_file}:Parrot").__name__ == "Parrot"


def test_a_missing_library_of_a_family_names_the_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needing_more.py").write_text("import not_installed_anywhere\n")
    monkeypatch.setattr(bots.families, "__path__", [*bots.families.__path__, str(tmp_path)])
    with pytest.raises(ConfigError, match=r"pip install 'chatzoo\[transformers\]'"):
        load_class("bots.families.needing_more:Any")


def test_an_object_that_is_no_class() -> None:
    assert load_object("bots.registry.known:MODEL_DICT") is MODEL_DICT
