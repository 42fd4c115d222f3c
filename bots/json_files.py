"""Read JSON objects from files: with an error for what is wrong, or {} in its place."""

import json
from pathlib import Path
from typing import Any

from bots.errors import LoadError

# json raises RecursionError for brackets that are nested some thousand deep.
_UNREADABLE = (OSError, ValueError, RecursionError)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises LoadError where it is missing, damaged or no object."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except _UNREADABLE as error:
        raise LoadError(f"Cannot read {path.name} of {str(path.parent)!r}: {error}.") from error
    if not isinstance(content, dict):
        raise LoadError(f"{path.name} of {str(path.parent)!r} is not a JSON object.")
    return content


def read_json_if_present(path: Path) -> dict[str, Any]:
    """The JSON object in a file, {} where there is no file. Raises LoadError like `read_json`."""
    return read_json(path) if path.exists() else {}


def read_json_or_empty(path: Path) -> dict[str, Any]:
    """The JSON object in a file, {} where it cannot be read, for whatever reason."""
    try:
        return read_json(path)
    except LoadError:
        return {}
