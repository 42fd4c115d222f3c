"""Find the class that serves a model: by name, by model id, or by what lies at a path.

Imports no model library until `choose_bot` imports the class.
"""

import difflib
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from bots.chatbot import ChatBot
from bots.errors import ConfigError
from bots.registry.detection import folder_family
from bots.registry.importing import import_module, load_class
from bots.registry.known import MODEL_DICT, MODEL_NAME_TO_MODEL_DICT

ENTRY_POINT_GROUP = "chatzoo.bots"


def known_bots() -> dict[str, str | type[ChatBot]]:
    """All families: ours, and those of installed packages (entry-point group `chatzoo.bots`)."""
    found: dict[str, str | type[ChatBot]] = {
        point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)
    }
    return found | MODEL_DICT


def choose_bot(
    path: str = "", *, family: str | None = None, bot: str | None = None
) -> type[ChatBot]:
    """The class that serves a model, imported, which may take seconds; see `find_bot`.

    A family of transformers' that is named for a GGUF file is answered by llama.cpp. Raises
    ConfigError where it cannot be.
    """
    found = find_bot(path, family=family, bot=bot)
    chosen = load_class(found) if isinstance(found, str) else found
    if hasattr(chosen, "family") and is_gguf(path):
        return cast(
            "type[ChatBot]", import_module("bots.backends.llamacpp.family").with_llamacpp(chosen)
        )
    return chosen


def find_bot(
    path: str = "", *, family: str | None = None, bot: str | None = None
) -> str | type[ChatBot]:
    """Where the class that serves a model is: `"module:Class"`, `"file.py:Class"` or itself.

    `bot` ("file.py:Class" or "module:Class") wins over `family` (a key of `known_bots()`), which
    wins over what `path` tells: a known id, a GGUF file, the URL of an endpoint, a folder whose
    files name a family, else "auto".
    Imports nothing. Raises ConfigError with the known names where one is unknown.
    """
    if bot:
        return bot
    name = family or family_of(path)
    if name == "auto" and is_gguf(path):
        name = "llamacpp"
    known = known_bots()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"Unknown model type {name!r}.{hint} Known types: {', '.join(sorted(known))}.",
            param="type",
        )
    return known[name]


def check_path(path: str) -> None:
    """Raise ConfigError when a path is plainly meant to be local and nothing is there.

    `name` and `owner/name` may be hub ids; whether the hub has them shows when they are loaded.
    """
    if not path or path.startswith(("builtin:", "http://", "https://")):
        return
    looks_local = path.startswith(("/", "./", "../", "~")) or path.endswith(".gguf")
    if (looks_local or path.count("/") > 1) and not Path(path).expanduser().exists():
        raise ConfigError(f"There is nothing at {path!r}.", param="pretrained-path")


def family_of(path: str) -> str:
    """The family that a path tells. Raises ConfigError when there is no path."""
    if not path:
        raise ConfigError(
            "Which model? Give --pretrained-path (a folder, a GGUF file, a hub id, an endpoint's"
            " URL or builtin:smollm2), or --type echo.",
            param="pretrained-path",
        )
    if known := _family_of_id(path):
        return known
    if path.startswith(("http://", "https://")):
        return "openai"
    if is_gguf(path):
        return "llamacpp"
    folder = Path(path).expanduser()
    return folder_family(folder, _family_of_id) if folder.is_dir() else "auto"


def is_gguf(path: str) -> bool:
    """Whether a path is that of a GGUF file, by its name."""
    return path.endswith(".gguf") or MODEL_NAME_TO_MODEL_DICT.get(path) == "llamacpp"


def _family_of_id(name: str) -> str | None:
    known = MODEL_NAME_TO_MODEL_DICT.items()
    return next((family for id_, family in known if fnmatchcase(name, id_)), None)
