"""Models behind one contract. Importing this package imports no model library.

`MODEL_DICT` names the families, `MODEL_NAME_TO_MODEL_DICT` the model ids that need no `--type`,
`choose_bot` finds the class for a command line.
"""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import cast

from bots.chatbot import ChatBot, Progress
from bots.errors import ConfigError
from bots.folder import folder_family

MODEL_DICT: dict[str, str | type[ChatBot]] = {
    "auto": "bots.families.auto:AutoBot",
    "amchat": "bots.families.amchat:AMchatBot",
    "baize": "bots.families.baize:BaizeBot",
    "belle": "bots.families.belle:BelleBot",
    "chatglm": "bots.families.chatglm:ChatGLMBot",
    "chatglm2": "bots.families.chatglm2:ChatGLM2Bot",
    "chatglm3": "bots.families.chatglm3:ChatGLM3Bot",
    "educhat": "bots.families.educhat:EduChatBot",
    "fastchat-t5": "bots.families.fastchat_t5:FastChatT5Bot",
    "firefly": "bots.families.firefly:FireflyBot",
    "godel": "bots.families.godel:GodelBot",
    "moss": "bots.families.moss:MossBot",
    "moss-plugin": "bots.families.moss:MossPluginBot",
    "stablelm": "bots.families.stablelm:StableLMBot",
    "vicuna": "bots.families.vicuna:VicunaBot",
    "vicuna-instruct": "bots.families.vicuna:VicunaInstructBot",
    "vicuna-v1.1": "bots.families.vicuna_v1_1:VicunaV11Bot",
    "yayi": "bots.families.yayi:YaYiBot",
    "llamacpp": "bots.llamacpp_bot:LlamaCppChatBot",
    "openai": "bots.openai_bot:OpenAIChatBot",
    "echo": "bots.echo_bot:EchoBot",
}
"""Family → `"module:Class"` (imported when it is chosen) or a class."""

MODEL_NAME_TO_MODEL_DICT: dict[str, str] = {
    "builtin:smollm2": "auto",
    "builtin:smollm2-gguf": "llamacpp",
    "ecnu-icalk/educhat-sft-002-7b": "educhat",
    "ecnu-icalk/educhat-sft-002-13b": "educhat",
    "edunlp/educhat-002-7b": "educhat",
    "edunlp/educhat-002-13b": "educhat",
    "edunlp/educhat-002-7b-int4": "educhat",
    "wenge-research/yayi-7b": "yayi",
    "wenge-research/yayi-7b-llama2": "yayi",
    "wenge-research/yayi-13b-llama2": "yayi",
    "fnlp/moss-moon-003-base": "moss",
    "fnlp/moss-moon-003-sft": "moss",
    "fnlp/moss-moon-003-sft-int8": "moss",
    "fnlp/moss-moon-003-sft-int4": "moss",
    "fnlp/moss-moon-003-sft-plugin": "moss-plugin",
    "fnlp/moss-moon-003-sft-plugin-int8": "moss-plugin",
    "fnlp/moss-moon-003-sft-plugin-int4": "moss-plugin",
    "THUDM/chatglm-6b": "chatglm",
    "THUDM/chatglm-6b-int8": "chatglm",
    "THUDM/chatglm-6b-int4": "chatglm",
    "THUDM/chatglm2-6b": "chatglm2",
    "THUDM/chatglm2-6b-32k": "chatglm2",
    "THUDM/chatglm2-6b-int4": "chatglm2",
    "THUDM/chatglm3-6b": "chatglm3",
    "THUDM/chatglm3-6b-32k": "chatglm3",
    "YeungNLP/firefly-1b4": "firefly",
    "YeungNLP/firefly-2b6": "firefly",
    "microsoft/GODEL-v1_1-base-seq2seq": "godel",
    "microsoft/GODEL-v1_1-large-seq2seq": "godel",
    "Facico/Chinese-Vicuna-lora-7b-chat*": "vicuna",
    "Facico/Chinese-Vicuna-lora-7b-*": "vicuna-instruct",
    "axyzdong/AMchat": "amchat",
    "internlm/internlm2-math-7b": "amchat",
    "internlm/internlm2-chat-7b": "amchat",
    "BelleGroup/BELLE-7B-2M": "belle",
    "project-baize/baize-lora-7B": "baize",
    "stabilityai/stablelm-tuned-alpha-3b": "stablelm",
    "stabilityai/stablelm-tuned-alpha-7b": "stablelm",
    "lmsys/vicuna-7b-v1.1": "vicuna-v1.1",
    "lmsys/vicuna-13b-v1.1": "vicuna-v1.1",
    "lmsys/fastchat-t5-3b-v1.0": "fastchat-t5",
}
"""Model id → family, for models that are recognised without `--type`.

`*` is any text; the first that fits is taken."""

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
    chosen = _load(found) if isinstance(found, str) else found
    if hasattr(chosen, "family") and is_gguf(path):
        return cast("type[ChatBot]", _from_name("bots.llamacpp_family").with_llamacpp(chosen))
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


def fetch_builtin(progress: Progress) -> None:
    """Have every form of the built-in model in the cache, every byte checked. Raises LoadError."""
    from bots import builtin

    builtin.verify(progress)


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


def _load(spec: str) -> type[ChatBot]:
    """Import `"module:Class"` or `"path/to/file.py:Class"`.

    An error inside the module is shown as it is: only what the spec itself gets wrong is ours.
    """
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise ConfigError(
            f"{spec!r} is not of the form file.py:Class or module:Class.", param="bot"
        )
    module = _from_file(Path(where)) if where.endswith(".py") else _from_name(where)
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


def _from_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise _missing_library(name, error) from error
        raise ConfigError(f"There is no module {name!r}.", param="bot") from None


def _missing_library(name: str, error: ModuleNotFoundError) -> ConfigError:
    extra = {"bots.llamacpp_bot": "llamacpp"}.get(name, "transformers")
    hint = f" Install it with: pip install 'chatzoo[{extra}]'." if name.startswith("bots.") else ""
    return ConfigError(f"{name} needs the package {error.name!r}, which is not installed.{hint}")
