"""What all commands do with the paths that they are given: check, fetch, and find the family.

Importing this imports no model library, so that `chatzoo --help` is fast.
"""

import re
from pathlib import Path

from bots.errors import ConfigError
from bots.progress import Progress
from bots.registry.known import MODEL_NAME_TO_MODEL_DICT
from bots.registry.registry import check_path, family_of, is_gguf


def check_paths(out: Path, **models: str) -> None:
    """Raise ConfigError where a path cannot be that of a model's files, or `out` is not free.

    The names of `models` are the options, for the error.
    """
    for option, path in models.items():
        check_path(path)
        if is_gguf(path) or path.startswith(("http://", "https://")):
            kind = "a GGUF file" if is_gguf(path) else "a URL"
            raise ConfigError(
                f"{option}: {path!r} is {kind}; name a folder with original files or a hub id.",
                param=option,
            )
    from bots.commands.writer import check_out

    check_out(out)


def fetch_model(path: str, progress: Progress, option: str) -> Path:
    """The folder with a model's files, fetched from the hub where `path` is no folder.

    `option` is named in errors. Raises ConfigError or LoadError.
    """
    from bots.checkpoints.load_errors import loading, progress_bar
    from bots.checkpoints.source import Source

    with loading("files", path, progress):
        return Source(path, progress, option=option, tqdm_class=progress_bar(progress)).whole()


def family_of_delta(base: str, delta: str) -> str:
    """The family that the path of a delta or of its base names, "auto" where neither does."""
    return next((family for path in (delta, base) if (family := _named_family(path))), "auto")


def _named_family(path: str) -> str | None:
    if (family := family_of(path)) != "auto":
        return family
    # vicuna-7b-delta-v1.1 is the delta of vicuna-7b-v1.1, which is a known id.
    name = re.sub("-delta", "", Path(path).name.lower())
    known = {
        id_.rpartition("/")[2].lower(): family for id_, family in MODEL_NAME_TO_MODEL_DICT.items()
    }
    return known.get(name)


def is_recognised(folder: Path) -> bool:
    """Whether a worker serves the folder without `--type`: by its family or a chat template."""
    if family_of(str(folder)) != "auto" or (folder / "chat_template.jinja").is_file():
        return True
    try:
        return "chat_template" in (folder / "tokenizer_config.json").read_text("utf-8")
    except OSError:
        return False
