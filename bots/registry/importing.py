"""Import a bot's class from a module or a file, and report what is missing in one sentence."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import cast

from bots.chatbot import ChatBot
from bots.errors import ConfigError


def load_class(spec: str) -> type[ChatBot]:
    """Import `"module:Class"` or `"path/to/file.py:Class"`.

    An error inside the module is shown as it is: only what the spec itself gets wrong is ours.
    """
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise ConfigError(
            f"{spec!r} is not of the form file.py:Class or module:Class.", param="bot"
        )
    module = _from_file(Path(where)) if where.endswith(".py") else import_module(where)
    found = getattr(module, name, None)
    if found is None:
        raise ConfigError(f"{where} has no class {name!r}.", param="bot")
    if not (isinstance(found, type) and issubclass(found, ChatBot)):
        raise ConfigError(f"{spec} is not a subclass of bots.chatbot.ChatBot.", param="bot")
    return found


def _from_file(path: Path) -> object:
    if not path.is_file():
        raise ConfigError(f"There is no file {str(path)!r}.", param="bot")
    name = f"chatzoo_bot_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look their module up by name
    cast("Callable[[object], None]", spec.loader.exec_module)(module)
    return module


def import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise _missing_library(name, error) from error
        raise ConfigError(f"There is no module {name!r}.", param="bot") from None


def _missing_library(name: str, error: ModuleNotFoundError) -> ConfigError:
    extra = {"bots.backends.llamacpp.bot": "llamacpp"}.get(name, "transformers")
    hint = f" Install it with: pip install 'chatzoo[{extra}]'." if name.startswith("bots.") else ""
    return ConfigError(f"{name} needs the package {error.name!r}, which is not installed.{hint}")
