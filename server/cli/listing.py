"""`chatzoo list`: the model families, what each is, and the ids that need no `--type`."""

import ast
import json
import re
from importlib.util import find_spec

from rich.console import Console
from rich.table import Column, Table

from bots.registry.known import MODEL_NAME_TO_MODEL_DICT
from bots.registry.registry import known_bots
from server.cli.flags import AsJson


def list_families(as_json: AsJson = False) -> None:
    """Show the model families and the model ids that need no --type."""
    show_families(as_json=as_json)


def show_families(*, as_json: bool, console: Console | None = None) -> None:
    """Print the families as a table or as one JSON object."""
    if as_json:
        print(json.dumps({"families": rows()}, indent=2, ensure_ascii=False))
        return
    ids_column = Column("Known model ids", no_wrap=True)
    table = Table("Type", "What it is", ids_column, box=None, header_style="bold")
    for row in rows():
        ids = row["ids"]
        assert isinstance(ids, list)
        table.add_row(str(row["name"]), str(row["about"] or row["class"]), "\n".join(ids))
    (console or Console()).print(table)


def rows() -> list[dict[str, object]]:
    """For each family: its name, description, class, and the ids that are known to be of it."""
    classes = {
        name: value if isinstance(value, str) else f"{value.__module__}:{value.__qualname__}"
        for name, value in sorted(known_bots().items())
    }
    return [
        {
            "name": name,
            "about": description(where),
            "class": where,
            "ids": [known for known, family in MODEL_NAME_TO_MODEL_DICT.items() if family == name],
        }
        for name, where in classes.items()
    ]


def description(where: str) -> str:
    """The first line of the docstring of the module in `"module:Class"`, without addresses.

    The source is parsed and not run, so that no model library is imported. "" for packages of
    others, where even finding a module may run code.
    """
    module = where.partition(":")[0]
    spec = find_spec(module) if module.startswith("bots.") else None
    if spec is None or spec.origin is None:
        return ""
    with open(spec.origin, encoding="utf-8") as file:
        text = ast.get_docstring(ast.parse(file.read())) or ""
    return re.sub(r" \(https?://\S+\)", "", text.partition("\n")[0])
