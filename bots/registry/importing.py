"""Import a bot's class from a module or a file, with ConfigErrors that name what is missing."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from bots.chatbot import ChatBot
from bots.errors import ConfigError

_EXTRAS = {"bots.backends.llamacpp.bot": "llamacpp"}
"""Module → extra of the package that brings its libraries; all others need `transformers`."""


def load_class(spec: str) -> type[ChatBot]:
    """Import a subclass of ChatBot named `"module:Class"` or `"path/to/file.py:Class"`.

    Raises ConfigError for a wrong spec. An error inside the module is raised unchanged, because its
    traceback is what the author of the module needs.
    """
    imported = load_object(spec)
    if not (isinstance(imported, type) and issubclass(imported, ChatBot)):
        raise ConfigError(f"{spec} is not a subclass of bots.chatbot.ChatBot.", param="bot")
    return imported


def load_object(spec: str) -> Any:
    """Import what `"module:name"` or `"path/to/file.py:name"` names. Raises as `load_class`."""
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise ConfigError(
            f"{spec!r} is not of the form file.py:Class or module:Class.", param="bot"
        )
    module = _import_file(Path(where)) if where.endswith(".py") else _import_module(where)
    value = getattr(module, name, None)
    if value is None:
        raise ConfigError(f"{where} has no class {name!r}.", param="bot")
    return value


def _import_file(path: Path) -> ModuleType:
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


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The module itself or one of its parents is missing, or a library that it imports.
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise _missing_library(name, error) from error
        raise ConfigError(f"There is no module {name!r}.", param="bot") from None


def _missing_library(name: str, error: ModuleNotFoundError) -> ConfigError:
    extra = _EXTRAS.get(name, "transformers")
    hint = f" Install it with: pip install 'chatzoo[{extra}]'." if name.startswith("bots.") else ""
    return ConfigError(f"{name} needs the package {error.name!r}, which is not installed.{hint}")
