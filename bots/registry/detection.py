"""Which family a model folder is of, told by its JSON files; reads no weights, imports no library.

Knows names and fields of the original checkpoints; the ids of the hub are the caller's.
"""

from collections.abc import Callable
from pathlib import Path

from bots.json_files import read_json_or_empty
from bots.registry.formats import find_format


def folder_family(folder: Path, family_of_id: Callable[[str], str | None]) -> str:
    """The family of the model in `folder`, "auto" where its files do not tell.

    The architecture decides where it is one family's, else a known id that the files name. The
    names there, and the folder's own, tell apart what differs in nothing else.
    """
    config, tokenizer, adapter = (
        read_json_or_empty(folder / file)
        for file in ("config.json", "tokenizer_config.json", "adapter_config.json")
    )
    if told := config.get("chatzoo_family"):  # `chatzoo convert` wrote it
        return str(told)
    names = [str(config.get("_name_or_path", "")), str(tokenizer.get("name_or_path", ""))]
    written = " ".join([*names, folder.resolve().name]).lower().replace("_", "-")
    if adapter and not config:
        return next((family for name, family in _ADAPTERS.items() if name in written), "auto")
    original = find_format(config)
    if original and original.family:
        return original.family(written)
    known = next((family for name in names if (family := family_of_id(name))), None)
    return known or (original and original.fallback_family) or "auto"


_ADAPTERS = {"chinese-vicuna": "vicuna", "baize": "baize"}
