"""Detect the family of a model folder by its JSON files, without reading weights.

Knows names and fields of the original checkpoints; the hub's model ids are passed in. Imports no
model library.
"""

from collections.abc import Callable
from pathlib import Path

from bots.json_files import read_json_or_empty
from bots.registry.formats import find_format

_ADAPTERS = {"chinese-vicuna": "vicuna", "baize": "baize"}
"""Part of an adapter's name → family. An adapter has the architecture of its base model."""


def folder_family(folder: Path, family_of_id: Callable[[str], str | None]) -> str:
    """The family of the model in `folder`; "auto" where its files do not identify one.

    In this order: the family that `chatzoo convert` wrote, an architecture that only one family
    has, a known model id in the files. The folder's own name decides only between families whose
    files do not differ.
    """
    config, tokenizer, adapter = (
        read_json_or_empty(folder / file)
        for file in ("config.json", "tokenizer_config.json", "adapter_config.json")
    )
    if converted := config.get("chatzoo_family"):  # written by `chatzoo convert`
        return str(converted)
    ids = [str(config.get("_name_or_path", "")), str(tokenizer.get("name_or_path", ""))]
    names = " ".join([*ids, folder.resolve().name]).lower().replace("_", "-")
    if adapter and not config:
        return next((family for name, family in _ADAPTERS.items() if name in names), "auto")
    original = find_format(config)
    if original and original.family:
        return original.family(names)
    known = next((family for id_ in ids if (family := family_of_id(id_))), None)
    return known or (original and original.fallback_family) or "auto"
