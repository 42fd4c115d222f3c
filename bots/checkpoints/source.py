"""Find the folder of `--pretrained-path`: local, built-in, or fetched from the hub.

Weights are fetched when they are needed, and only one kind: safetensors where there are any. Code
is fetched only where it may run.
"""

from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from bots.checkpoints import builtin
from bots.errors import ConfigError
from bots.progress import Progress

ADAPTER_CONFIG = "adapter_config.json"

_SMALL = ["*.json", "*.model", "*.txt", "*.jinja", "*.tiktoken"]
_CODE = ["*.py"]
_WEIGHTS = (
    ["model.safetensors", "model-*.safetensors", "*_model*.safetensors"],
    ["pytorch_model*.bin", "adapter_model.bin"],
    ["*.safetensors"],
)
"""Patterns of weights, the preferred first; `*_model*` are GPTQ's and adapters'."""
_OTHER = ["*/*", "consolidated*", "training_args.bin", "optimizer*", "*.index.fp*"]
"""Patterns that are never fetched: subfolders, training states, other precisions."""


class Source:
    """The files at `path`: a local folder, `builtin:NAME` or a hub id.

    `code` allows the checkpoint's code to be fetched; `option` is named in errors; `options` go to
    the hub's client, such as its progress bar. Raises ConfigError for a local folder without a
    model.
    """

    def __init__(
        self,
        path: str,
        progress: Progress,
        *,
        revision: str | None = None,
        code: bool = False,
        option: str = "pretrained-path",
        **options: Any,
    ) -> None:
        self._path = str(Path(path).expanduser()) if path.startswith("~") else path
        self._progress = progress
        self._hub = {"revision": revision, "ignore_patterns": _OTHER, **options}
        self._small = _SMALL + (_CODE if code else [])
        folder = Path(self._path)
        configs = ("config.json", ADAPTER_CONFIG, "tokenizer_config.json")
        if folder.is_dir() and not any((folder / name).is_file() for name in configs):
            raise ConfigError(
                f"{path!r} is a folder without config.json, so it holds no model.", param=option
            )
        self._folder: Path | None = folder if folder.is_dir() else None

    def small(self) -> Path:
        """The folder with all files but the weights."""
        if self._folder is not None:
            return self._folder
        if self._path.startswith(builtin.PREFIX):
            return Path(builtin.resolve(self._path, self._progress))
        return self._fetch(self._small)

    def is_adapter(self) -> bool:
        """Whether the files are an adapter without a model."""
        folder = self.small()
        return (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file()

    def whole(self) -> Path:
        """The folder with all files, weights of the most preferred kind included."""
        folder = self.small()
        if self._folder is not None or self._path.startswith(builtin.PREFIX):
            return folder
        for kind in _WEIGHTS:
            folder = self._fetch(kind)
            if any(path for pattern in kind for path in folder.glob(pattern)):
                break
        return folder

    def revision(self) -> str | None:
        """The hub's commit of the files, None for local ones."""
        folder = self.small()
        return folder.name if folder.parent.name == "snapshots" else None

    def _fetch(self, patterns: list[str]) -> Path:
        return Path(snapshot_download(self._path, allow_patterns=patterns, **self._hub))
