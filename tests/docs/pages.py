"""What the tests of the documentation share: the pages, their code blocks, their links.

Knows Markdown as these pages use it, not all of Markdown.
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
        """What the comment in its first line says, or ""."""
        first = self.text.partition("\n")[0]
        return first[2:].strip() if first.startswith("# ") else ""


def read(name: str) -> str:
    """A page, by its path from the root of the project."""
    return (ROOT / name).read_text("utf-8")


def blocks(text: str, language: str | None = None) -> list[Block]:
    """The code blocks of a page, in order; those of one language if it is given."""
    found = [Block(*match.groups()) for match in _BLOCK.finditer(text)]
    return [one for one in found if language in (None, one.language)]


def prose(text: str) -> str:
    """A page without its code blocks."""
    return _BLOCK.sub("", text)
