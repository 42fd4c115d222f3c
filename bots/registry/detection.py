"""Detect the family of a model folder by its JSON files, without reading weights.

Knows names and fields of the original checkpoints; the hub's model ids are passed in. Imports no
model library.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ADAPTERS = {"chinese-vicuna": "vicuna", "baize": "baize"}
"""Part of an adapter's name → family. An adapter has the architecture of its base model."""


def folder_family(folder: Path, family_of_id: Callable[[str], str | None]) -> str:
    """The family of the model in `folder`; "auto" where its files do not identify one.

    In this order: the family that `chatzoo convert` wrote, an architecture that only one family
    has, a known model id in the files. The folder's own name decides only between families whose
    files do not differ.
    """
    config, tokenizer, adapter = (
        _read(folder / file)
        for file in ("config.json", "tokenizer_config.json", "adapter_config.json")
    )
    if converted := config.get("chatzoo_family"):  # written by `chatzoo convert`
        return str(converted)
    ids = [str(config.get("_name_or_path", "")), str(tokenizer.get("name_or_path", ""))]
    names = " ".join([*ids, folder.resolve().name]).lower().replace("_", "-")
    if adapter and not config:
        return next((family for name, family in _ADAPTERS.items() if name in names), "auto")
    match config.get("model_type"):
        case "moss":
            return "moss-plugin" if "plugin" in names else "moss"
        # The three generations of ChatGLM have one model type; only the first has these fields.
        case "chatglm" if "position_encoding_2d" in config or "inner_hidden_size" in config:
            return "chatglm"
        case "chatglm":
            return "chatglm3" if "chatglm3" in names else "chatglm2"
    known = next((family for id_ in ids if (family := family_of_id(id_))), None)
    return known or ("amchat" if config.get("model_type") == "internlm2" else "auto")


def _read(file: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is none, as loading reports such files better."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
