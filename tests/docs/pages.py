"""The pages of the documentation, and their code blocks, for the tests in this folder.

Supports the Markdown that these pages use, not all of Markdown.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "README.zh-CN.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *DOCS.rglob("*.md"),
    ]
)

_BLOCK = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    language: str
    text: str

    @property
    def title(self) -> str:
        """The text of the comment in its first line, or "" where there is none."""
        first = self.text.partition("\n")[0]
        return first[2:].strip() if first.startswith("# ") else ""


def read(name: str) -> str:
    """The text of a page, by its path from the root of the project."""
    return (ROOT / name).read_text("utf-8")


def blocks(text: str, language: str | None = None) -> list[Block]:
    """The code blocks of a page in order, only those of `language` if it is given."""
    found = [Block(*match.groups()) for match in _BLOCK.finditer(text)]
    return [one for one in found if language in (None, one.language)]


def prose(text: str) -> str:
    """A page without its code blocks."""
    return _BLOCK.sub("", text)
