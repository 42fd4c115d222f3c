"""The original checkpoint formats: how each is recognised, and which functions read it.

A format is a folder in `bots/checkpoints/formats/` whose `__init__.py` defines `FORMAT`, and a line
in `FORMATS`. Recognising a format imports no model library: weights and tokenizers are named by
`"module:function"` and imported when they are read.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Config = Mapping[str, Any]
"""The content of config.json."""

FORMATS: dict[str, str] = {
    "moss": "bots.checkpoints.formats.moss",
    "chatglm": "bots.checkpoints.formats.chatglm",
    "glm": "bots.checkpoints.formats.glm",
    "internlm2": "bots.checkpoints.formats.internlm2",
    "llama": "bots.checkpoints.formats.llama",
}
"""Format → the module that defines its `FORMAT`. The first that recognises a folder is used."""

ORIGINAL_TOKENIZER = "chatzoo_tokenizer"
"""Field of a converted tokenizer_config.json: the original's class. `tokenizer_class` there is one
that other tools have."""


@dataclass(frozen=True)
class TokenizerFiles:
    """A folder with a tokenizer: the model's config.json, tokenizer_config.json as `declared`, and
    the family that the operator chose, None or "auto" without a choice."""

    folder: Path
    config: Config
    declared: Mapping[str, Any]
    family: str | None = None

    @property
    def model_type(self) -> Any:
        """The architecture in config.json."""
        return self.config.get("model_type")

    @property
    def tokenizer_class(self) -> Any:
        """The class of the original tokenizer, also in a folder that was converted."""
        return self.declared.get(ORIGINAL_TOKENIZER, self.declared.get("tokenizer_class"))

    def has(self, name: str) -> bool:
        """Whether the folder has a file of this name."""
        return (self.folder / name).is_file()


@dataclass(frozen=True)
class Format:
    """One original checkpoint format. Functions are named as `"module:function"`."""

    matches: Callable[[Config], bool]
    """Whether a config.json is of this format."""

    weights: str | None = None
    """The function (config.json, family or None) → `NativeModel`. None: transformers reads the
    weights."""

    tokenizer: Callable[[TokenizerFiles], str | None] | None = None
    """These files → the function folder → tokenizer, None where `AutoTokenizer` reads them. None:
    `AutoTokenizer` reads the files of this format.

    Called whatever `matches` returns, because converted files have another config.json."""

    family: Callable[[str], str] | None = None
    """Names in the files and of the folder, in lower case with "-" for "_" → the family. None: the
    family is not detected from such names."""

    fallback_family: str | None = None
    """The family where the folder's name is no known model id. None: no family is assumed."""


def all_formats() -> Iterator[Format]:
    """The formats of `FORMATS`, in its order."""
    for module in FORMATS.values():
        original = importlib.import_module(module).FORMAT
        assert isinstance(original, Format), f"{module}.FORMAT is no Format"
        yield original


def find_format(config: Config) -> Format | None:
    """The format of a config.json, None where transformers' own classes read it."""
    return next((original for original in all_formats() if original.matches(config)), None)


def load_function(spec: str) -> Callable[..., Any]:
    """Import the function that `"module:function"` (or `"module:Class.method"`) names."""
    module, _, path = spec.partition(":")
    value: Any = importlib.import_module(module)
    for name in path.split("."):
        value = getattr(value, name)
    function: Callable[..., Any] = value
    return function
