"""The build hook decides rightly whether there is something to build, and with what."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load_hook() -> ModuleType:
    path = Path(__file__).parents[1] / "hatch_build.py"
    spec = importlib.util.spec_from_file_location("hatch_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hatch_build"] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


hook = load_hook()


def touch(path: Path, when: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (when, when))
    return path


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v20.19.0", True),
        ("v20.18.9", False),
        ("v21.7.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.19.0\n", True),
        ("v8.0.0", False),
        ("", False),
    ],
)
def test_it_knows_which_node_vite_supports(version: str, enough: bool) -> None:
    assert hook.new_enough(version) is enough


def test_a_page_is_fresh_until_a_source_changes(tmp_path: Path) -> None:
    webui, index = tmp_path / "webui", tmp_path / "page" / "index.html"
    source = touch(webui / "src" / "main.ts", 100)
    touch(webui / "package.json", 100)
    os.utime(webui / "src", (100, 100))
    assert not hook.page_is_fresh(index, webui)
    touch(index, 200)
    touch(webui / "node_modules" / "vue" / "index.js", 300)
    assert hook.page_is_fresh(index, webui)
    touch(source, 300)
    assert not hook.page_is_fresh(index, webui)


def test_a_deleted_source_makes_the_page_stale(tmp_path: Path) -> None:
    webui = tmp_path / "webui"
    source = touch(webui / "src" / "main.ts", 100)
    index = touch(tmp_path / "page" / "index.html", 200)
    source.unlink()
    os.utime(source.parent, (300, 300))
    assert not hook.page_is_fresh(index, webui)


def test_modules_are_fresh_unless_the_lock_is_newer(tmp_path: Path) -> None:
    touch(tmp_path / "package-lock.json", 100)
    assert not hook.modules_are_fresh(tmp_path)
    touch(tmp_path / "node_modules" / ".package-lock.json", 200)
    assert hook.modules_are_fresh(tmp_path)
    touch(tmp_path / "package-lock.json", 300)
    assert not hook.modules_are_fresh(tmp_path)


def test_no_node_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hook.node_on_path() is None


def test_an_old_node_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho v18.0.0\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hook.node_on_path() is None
