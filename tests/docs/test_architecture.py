"""docs/architecture.md compared with the code: every folder has one line in its tree."""

from pathlib import PurePosixPath

from tests.docs.pages import ROOT, blocks, read

TREES = ("bots", "server")


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
    """The folders under `top` that hold code."""
    files = [one for end in ("py", "ts", "vue") for one in (ROOT / top).rglob(f"*.{end}")]
    there = {PurePosixPath(file.relative_to(ROOT).parent.as_posix()) for file in files}
    return {str(one) for folder in there for one in (folder, *folder.parents) if str(one) != "."}


def test_every_folder_has_a_line_in_the_tree() -> None:
    assert shown() == set.union(*map(folders, TREES))
