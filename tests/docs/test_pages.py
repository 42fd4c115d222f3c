"""All pages: valid links, the same README in two languages, commands and flags that exist."""

import re
import shlex
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer

from server.cli.main import app
from server.hub.zoo import load_zoo
from tests.docs.pages import PAGES, ROOT, Block, blocks, prose, read

ENGLISH, CHINESE = read("README.md"), read("README.zh-CN.md")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_HEADING = re.compile(r"^(#{1,6}) +(.+?)\s*$", re.MULTILINE)
_FORBIDDEN = re.compile(
    r"(?<![\w.])/(?:work|tmp|root|home|Users)/|[A-Z]:\\"
    r"|pypi\.org|pythonhosted|npmjs|download\.pytorch|crates\.io|//registry\.",
)


def slug(heading: str) -> str:
    """The anchor of a heading, by the rule of Git hosts."""
    text = re.sub(r"[`*\[\]]|\(.*?\)", "", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(title) for _, title in _HEADING.findall(prose(path.read_text("utf-8")))}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_have_targets(path: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", prose(path.read_text("utf-8")))
    for match in _LINK.finditer(text):
        target = unquote(match[1] or match[2])
        if re.match(r"[a-z]+:", target):
            continue
        where, _, anchor = target.partition("#")
        found = (path.parent / where).resolve() if where else path
        assert found.exists(), f"{path.name} links to {target}"
        if anchor:
            assert anchor in anchors(found), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_machine_and_no_registry_is_named(path: Path) -> None:
    assert not (found := _FORBIDDEN.search(path.read_text("utf-8"))), found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_code_block_has_an_end(path: Path) -> None:
    fences = [line for line in path.read_text("utf-8").splitlines() if line.startswith("```")]
    assert len(fences) == 2 * len(blocks(path.read_text("utf-8")))


def test_both_readmes_have_the_same_structure() -> None:
    levels = [[len(marks) for marks, _ in _HEADING.findall(prose(t))] for t in (ENGLISH, CHINESE)]
    assert levels[0] == levels[1]


def without_comments(block: Block) -> str:
    lines = (re.sub(r"(^|\s+)#.*$", "", line) for line in block.text.splitlines())
    return "\n".join(line for line in lines if line)


def test_both_readmes_have_the_same_code() -> None:
    english, chinese = (
        [(one.language, without_comments(one)) for one in blocks(text)]
        for text in (ENGLISH, CHINESE)
    )
    assert english == chinese


# -- commands --------------------------------------------------------------------------------------


def commands(path: Path) -> list[list[str]]:
    """The words of each command in the shell blocks of a page."""
    text = "\n".join(one.text for one in blocks(path.read_text("utf-8"), "bash"))
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_the_readme_names_both_commands() -> None:
    for text in (ENGLISH, CHINESE):
        assert "make demo" in text
        assert "make test" in text


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+(?: [\w-]+)*):(?!=)", read("Makefile"), re.MULTILINE))
    known = {name for group in targets for name in group.split()}
    for path in PAGES:
        # Code only, because prose may contain the word.
        named = set(re.findall(r"(?:`|^)make ([a-z]+)", path.read_text("utf-8"), re.MULTILINE))
        assert named <= known, f"{path.name}: {named - known}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_flags_exist(path: Path) -> None:
    group = typer.main.get_command(app)
    known = group.commands  # type: ignore[attr-defined]
    for words in commands(path):
        if words[:3] == ["python", "-m", "server"]:
            name, rest = "serve", words[3:]
        elif words[0] == "chatzoo":
            name, rest = words[1], words[2:]
        else:
            continue
        assert name in known, words
        options = {option for parameter in known[name].params for option in parameter.opts}
        flags = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert flags <= options, words


def test_every_command_is_in_both_readmes() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        if not command.hidden:
            assert f"chatzoo {name}" in ENGLISH, name
            assert f"chatzoo {name}" in CHINESE, name


def test_every_environment_variable_is_in_the_reference() -> None:
    sources = [ROOT / "hatch_build.py", *(ROOT / "bots").rglob("*.py")]
    sources += (ROOT / "server").rglob("*.py")
    reference = read("docs/protocol.md")
    for path in sources:
        for name in re.findall(r'"(CHATZOO_[A-Z_]*[A-Z])"', path.read_text("utf-8")):
            assert f"`{name}`" in reference, f"{name} of {path.name}"


def test_extras_of_the_install_command_exist() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    for extras in re.findall(r"pip install '\.\[([\w,]+)\]'", ENGLISH):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_zoo_files_of_the_pages_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    zoos = [one for path in PAGES for one in blocks(path.read_text("utf-8"), "yaml")]
    read_ones = 0
    for one in zoos:
        if "workers:" not in one.text:
            continue
        (tmp_path / "zoo.yaml").write_text(one.text, "utf-8")
        assert load_zoo(tmp_path / "zoo.yaml").workers
        read_ones += 1
    assert read_ones >= 2  # the README, in two languages


def test_every_dependency_has_its_reason() -> None:
    page = read("docs/adr/0003-dependencies.md")
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    for need in [*project["dependencies"], *extras["transformers"], *extras["llamacpp"]]:
        name = re.match(r"[\w-]+", need)
        assert name
        assert re.search(rf"\b{re.escape(name[0])}\b", page), need


def test_decisions_have_their_three_parts_and_their_numbers() -> None:
    for number, path in enumerate(sorted((ROOT / "docs" / "adr").glob("*.md")), 1):
        text = path.read_text("utf-8")
        assert path.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        headings = [title for marks, title in _HEADING.findall(text) if marks == "##"]
        assert headings == ["Context", "Decision", "Consequences"]
