"""docs/architecture.md against the code: its tree of bots/."""

from pathlib import PurePosixPath

from tests.docs.pages import ROOT, blocks, read


def shown() -> dict[str, set[str]]:
    """Folder → the modules that the page's tree has in it."""
    [tree] = [one.text for one in blocks(read("docs/architecture.md"), "text")]
    found: dict[str, set[str]] = {}
    path: list[str] = []
    for line in tree.splitlines():
        names = line.partition("#")[0]
        del path[(len(line) - len(line.lstrip())) // 2 :]
        if names.strip().endswith("/"):
            path.append(names.strip().rstrip("/"))
            found["/".join(path)] = set()
        else:
            found["/".join(path)] |= set(names.split())
    return found


def test_the_tree_of_bots() -> None:
    """Each module is shown in its folder and nothing else is; families are only said to be many."""
    there: dict[str, set[str]] = {}
    for file in (ROOT / "bots").rglob("*.py"):
        path = PurePosixPath(file.relative_to(ROOT).as_posix())
        there.setdefault(str(path.parent), set()).add(path.stem)
    there["bots/families"] = set()
    for folder, modules in there.items():
        if folder != "bots":
            modules.discard("__init__")
    assert shown() == there
