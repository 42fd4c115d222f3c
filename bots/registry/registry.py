"""Find the class that serves a model, by its type, its model id or the files at its path.

Imports no model library until `choose_bot` imports the class.
"""

import difflib
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path

from bots.chatbot import ChatBot
from bots.errors import ConfigError
from bots.registry.detection import folder_family
from bots.registry.importing import load_class, load_object
from bots.registry.known import MODEL_DICT, MODEL_NAME_TO_MODEL_DICT

ENTRY_POINT_GROUP = "chatzoo.bots"


def known_bots() -> dict[str, str | type[ChatBot]]:
    """All families: those of installed packages (entry points), and over them MODEL_DICT."""
    installed: dict[str, str | type[ChatBot]] = {
        point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)
    }
    return installed | MODEL_DICT


def choose_bot(
    path: str = "", *, family: str | None = None, bot: str | None = None
) -> type[ChatBot]:
    """Import and return the class that serves a model; see `find_bot`. This may take seconds.

    For a GGUF file, a class with a `gguf_adapter` is replaced by what the adapter makes of it.
    Raises ConfigError where there is no class, or none that serves this file.
    """
    spec = find_bot(path, family=family, bot=bot)
    chosen = load_class(spec) if isinstance(spec, str) else spec
    if chosen.gguf_adapter is not None and is_gguf(path):
        adapted: type[ChatBot] = load_object(chosen.gguf_adapter)(chosen)
        return adapted
    return chosen


def find_bot(
    path: str = "", *, family: str | None = None, bot: str | None = None
) -> str | type[ChatBot]:
    """The class that serves a model, or where it is: `"module:Class"` or `"file.py:Class"`.

    `bot` ("module:Class" or "file.py:Class") has precedence over `family` (a key of
    `known_bots()`), and that over the family that `path` indicates; see `family_of`. Imports
    nothing. Raises ConfigError that lists the known families for an unknown one.
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
    """Raise ConfigError if a path can only be a local one and nothing is there.

    `name` and `owner/name` may be hub ids; loading finds out whether the hub has them.
    """
    if not path or path.startswith(("builtin:", "http://", "https://")):
        return
    looks_local = path.startswith(("/", "./", "../", "~")) or path.endswith(".gguf")
    if (looks_local or path.count("/") > 1) and not Path(path).expanduser().exists():
        raise ConfigError(f"There is nothing at {path!r}.", param="pretrained-path")


def family_of(path: str) -> str:
    """The family of a known model id, an endpoint's URL, a GGUF file or a folder; else "auto".

    Raises ConfigError if the path is empty.
    """
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
    """Whether a path names a GGUF file, by its ending or as a known id."""
    return path.endswith(".gguf") or MODEL_NAME_TO_MODEL_DICT.get(path) == "llamacpp"


def _family_of_id(name: str) -> str | None:
    known = MODEL_NAME_TO_MODEL_DICT.items()
    return next((family for id_, family in known if fnmatchcase(name, id_)), None)
