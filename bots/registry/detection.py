"""Which family a model folder is of, told by its JSON files; reads no weights, imports no library.

Knows names and fields of the original checkpoints; the ids of the hub are the caller's.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def folder_family(folder: Path, family_of_id: Callable[[str], str | None]) -> str:
    """The family of the model in `folder`, "auto" where its files do not tell.

    The architecture decides where it is one family's, else a known id that the files name. The
    names there, and the folder's own, tell apart what differs in nothing else.
    """
    config, tokenizer, adapter = (
        _read(folder / file)
        for file in ("config.json", "tokenizer_config.json", "adapter_config.json")
    )
    if told := config.get("chatzoo_family"):  # `chatzoo convert` wrote it
        return str(told)
    names = [str(config.get("_name_or_path", "")), str(tokenizer.get("name_or_path", ""))]
    written = " ".join([*names, folder.resolve().name]).lower().replace("_", "-")
    if adapter and not config:
        return next((family for name, family in _ADAPTERS.items() if name in written), "auto")
    match config.get("model_type"):
        case "moss":
            return "moss-plugin" if "plugin" in written else "moss"
        case "chatglm" if "position_encoding_2d" in config or "inner_hidden_size" in config:
            return "chatglm"
        case "chatglm":
            return "chatglm3" if "chatglm3" in written else "chatglm2"
    known = next((family for name in names if (family := family_of_id(name))), None)
    return known or ("amchat" if config.get("model_type") == "internlm2" else "auto")


_ADAPTERS = {"chinese-vicuna": "vicuna", "baize": "baize"}


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # loading says what is wrong with it
    return found if isinstance(found, dict) else {}
