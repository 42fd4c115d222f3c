"""The table of options in docs/protocol.md is the one that the options themselves give.

With CHATZOO_WRITE_OPTIONS set (`make options`), the test writes the table instead of comparing it.
"""

import os
import re
from typing import Any

from bots.options import Option, options_of
from server.cli.options import describe_default
from server.worker.config import WorkerConfig
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "protocol.md"
HEAD = "| flag | environment | default | what |\n|---|---|---|---|\n"
TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\n)+")


def cell(option: Option) -> str:
    """The default of an option: a value as code, words as they are."""
    words = describe_default(option) or "none"
    is_text = isinstance(option.default, str) and not option.default_text and option.default
    return f"`{words}`" if is_text else words


def table(config: type[Any]) -> str:
    """The options of a config in Markdown."""
    rows = []
    for option in options_of(config):
        what = f"{option.help}. {option.details}" if option.details else option.help
        cells = (f"`{option.flag}`", f"`{option.variable}`", cell(option), what)
        if not option.hub_only:
            rows.append(f"| {' | '.join(cells)} |\n")
    return HEAD + "".join(rows)


def test_the_table_of_the_documentation() -> None:
    page = PAGE.read_text("utf-8")
    if os.environ.get("CHATZOO_WRITE_OPTIONS"):
        PAGE.write_text(TABLE.sub(lambda _: table(WorkerConfig), page), "utf-8")
        return
    found = TABLE.search(page)
    assert found
    assert found[0] == table(WorkerConfig), "run `make options`"


def test_what_the_table_leaves_out_is_in_the_text() -> None:
    page = PAGE.read_text("utf-8")
    for option in options_of(WorkerConfig):
        assert f"`{option.flag}`" in page
