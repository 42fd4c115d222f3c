"""docs/architecture.md compared with the code: every folder has one line in its tree."""

from pathlib import PurePosixPath

from tests.docs.pages import ROOT, blocks, read

TREES = ("bots", "server", "webui/src")
ONE_EACH = "bots/checkpoints/formats/"
"""A format is one folder and one line of `FORMATS`: its folder needs no line in the page."""


def shown() -> set[str]:
    """The folders in the page's tree, as paths."""
    [tree] = [one.text for one in blocks(read("docs/architecture.md"), "text")]
    found: set[str] = set()
    path: list[str] = []
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        path = [*path[: indent // 2], line.split()[0].rstrip("/")]
        found.add("/".join(path))
    return found


def folders(top: str) -> set[str]:
    """The folders under `top` that hold source files."""
    ends = ("ts", "vue", "css") if top == "webui/src" else ("py",)
    files = [one for end in ends for one in (ROOT / top).rglob(f"*.{end}")]
    there = {PurePosixPath(file.relative_to(ROOT).parent.as_posix()) for file in files}
    return {str(one) for folder in there for one in (folder, *folder.parents) if str(one) != "."}


def test_every_folder_has_a_line_in_the_tree() -> None:
    there = set.union(*map(folders, TREES))
    assert shown() <= there
    assert {folder for folder in there if not folder.startswith(ONE_EACH)} <= shown()
