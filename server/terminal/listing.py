"""`chatzoo list`: the model families, and the ids that need no `--type`."""

import json

from rich.console import Console
from rich.table import Table

from bots import MODEL_NAME_TO_MODEL_DICT, known_bots


def rows() -> list[dict[str, object]]:
    """Each family with the class that serves it and the ids that are known to be of it."""
    return [
        {
            "name": name,
            "class": value
            if isinstance(value, str)
            else f"{value.__module__}:{value.__qualname__}",
            "ids": [known for known, family in MODEL_NAME_TO_MODEL_DICT.items() if family == name],
        }
        for name, value in sorted(known_bots().items())
    ]


def show(*, as_json: bool, console: Console | None = None) -> None:
    """Print the families as a table or as one JSON object."""
    if as_json:
        print(json.dumps({"families": rows()}, indent=2, ensure_ascii=False))
        return
    table = Table("Type", "Known model ids", "Class", box=None, header_style="bold")
    for row in rows():
        ids = row["ids"]
        assert isinstance(ids, list)
        table.add_row(str(row["name"]), "\n".join(ids), str(row["class"]))
    (console or Console()).print(table)
