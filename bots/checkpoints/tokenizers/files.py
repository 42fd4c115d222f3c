"""Read the files of a tokenizer. Every failure is one LoadError that names the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

from bots.errors import LoadError
from bots.json_files import read_json_if_present

VOCABULARIES = (
    "tokenizer.json",
    "*.model",
    "vocab.*",
    "*-vocab.*",
    "merges.txt",
    "*.tiktoken",
    "tekken.json",
)
"""Files that hold a vocabulary. Without one, transformers makes an empty tokenizer."""


def failure(folder: Path, reason: str) -> LoadError:
    """The error of a tokenizer that cannot be loaded; `reason` has no full stop."""
    return LoadError(f"Cannot load the tokenizer of {str(folder)!r}: {reason}.")


def read_optional_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of the tokenizer, {} where there is no such file."""
    try:
        return read_json_if_present(path)
    except LoadError as error:
        detail = f" ({error.__cause__})" if error.__cause__ else ""
        raise failure(path.parent, f"{path.name} is damaged or no JSON object{detail}") from error


def read_lines(path: Path) -> list[str]:
    """The lines of a text file. Raises LoadError."""
    try:
        return path.read_text("utf-8").split("\n")
    except FileNotFoundError:
        raise failure(path.parent, f"there is no {path.name}") from None
    except (OSError, ValueError) as error:
        raise failure(path.parent, f"{path.name} is damaged ({error})") from error


def read_template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The chat template: a file of its own, or part of tokenizer_config.json."""
    path = folder / "chat_template.jinja"
    return "\n".join(read_lines(path)) if path.is_file() else config.get("chat_template")


def read_pieces(path: Path) -> SentencePieceProcessor:
    """The SentencePiece model in a file. Raises LoadError where it is damaged or cut short."""
    damaged = f"{path.name} is cut short, or no SentencePiece model"
    try:
        content = path.read_bytes()
        pieces = SentencePieceProcessor(model_proto=content)
    except FileNotFoundError:
        raise failure(path.parent, f"there is no {path.name}") from None
    except (OSError, RuntimeError) as error:
        raise failure(path.parent, damaged) from error
    # The pieces come first: a file that ends between two of them reads like a smaller one.
    model = sentencepiece_model_pb2.ModelProto  # type: ignore[attr-defined]
    if not model.FromString(content).HasField("trainer_spec"):
        raise failure(path.parent, damaged)
    return pieces
