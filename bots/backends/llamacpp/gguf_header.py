"""Metadata and completeness of a GGUF file, read without loading it.

Reports early, and in a sentence, what llama.cpp would report as a bare failure: a file that is no
GGUF, or that ends before its tensors do. Knows the container's layout (versions 2 and 3, little
endian); does not know what the tensors mean.

A file may be hostile. No length in it is used before it is compared with the file's size: a read
takes no more memory than the file has bytes, and a loop ends at the end of the file.
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from bots.errors import LoadError

# The format's numbers of value types, with their codes in `struct`.
_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9

# Tensor type -> (values in a block, bytes of a block), from ggml's type table. Of a type that is
# not here only the start is checked, so that a newer type does not make a whole file look cut.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
    40: (64, 36), 41: (128, 18),
}  # fmt: skip

_KEPT_LENGTH = 1024
"""Longest array that is kept. Longer ones are vocabularies, scores and merges, of which only the
length is needed; lists of one number a layer are far shorter."""

_MAX_DIMENSIONS = 8
"""ggml has at most four; a file that claims more than this is damaged."""

_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


@dataclass(frozen=True, slots=True)
class ArrayLength:
    """In place of a long array, such as the vocabulary: its length alone."""

    length: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The metadata of a GGUF file, and the size of all its parts in bytes."""

    metadata: dict[str, Any]
    bytes: int

    @property
    def architecture(self) -> str:
        """Name of the architecture, such as "llama"."""
        return str(self.metadata.get("general.architecture", "unknown"))

    @property
    def context_length(self) -> int | None:
        """Tokens that the model was trained for."""
        return self._number("context_length")

    @property
    def vocabulary(self) -> int | None:
        """Number of tokens in the vocabulary."""
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, ArrayLength):
            return tokens.length
        return len(tokens) if isinstance(tokens, list) else None

    @property
    def chat_template(self) -> str | None:
        """The Jinja template of conversations."""
        template = self.metadata.get("tokenizer.chat_template")
        return template if isinstance(template, str) else None

    @property
    def cache_bytes_per_token(self) -> int | None:
        """Bytes of one token's keys and values in float16, over all layers; None without attention.

        An upper bound, because layers with a sliding window keep fewer tokens:
        sum of the KV heads of all layers * (key length + value length) * 2 bytes.
        """
        layers, heads = self._number("block_count"), self._number("attention.head_count")
        width = self._number("embedding_length")
        if not layers or not heads or not width:
            return None
        key = self._number("attention.key_length") or width // heads
        value = self._number("attention.value_length") or width // heads
        kv_heads = self.metadata.get(f"{self.architecture}.attention.head_count_kv", heads)
        if isinstance(kv_heads, int):
            kv_heads = [kv_heads] * layers
        if not isinstance(kv_heads, list):
            return None
        return int(sum(kv_heads) * (key + value) * 2)

    def _number(self, name: str) -> int | None:
        """A number of the architecture; the largest where each layer has one."""
        value = self.metadata.get(f"{self.architecture}.{name}")
        if isinstance(value, list) and value and isinstance(value[0], int):
            value = max(value)
        return value if isinstance(value, int) else None


def read_header(path: str | Path) -> GgufHeader:
    """Read the header of a GGUF file and check that each of its parts is complete.

    Raises LoadError for a part that is missing, no GGUF file, or cut.
    """
    first = Path(path)
    size = 0
    header: GgufHeader | None = None
    for part in _parts(first):
        if not part.is_file():
            beside = "" if part == first else f" It is a part of {first.name}."
            raise LoadError(f"There is no file {str(part)!r}.{beside}", param="pretrained-path")
        part_header = _read_part(part)
        header = header or part_header
        size += part_header.bytes
    assert header is not None
    return GgufHeader(header.metadata, size)


def _parts(first: Path) -> list[Path]:
    """The paths of all parts of a model, which are named NAME-00001-of-00003.gguf and so on.

    Raises LoadError if `first` is another part: llama.cpp finds the rest from the first only.
    """
    cut = _SHARD.search(first.name)
    if cut is None:
        return [first]
    if int(cut[1]) != 1:
        wanted = _SHARD.sub(f"-00001-of-{cut[2]}.gguf", first.name)
        raise LoadError(f"{first.name} is not the first part: give {wanted}.")
    stem = first.name[: cut.start()]
    return [first.with_name(f"{stem}-{n:05}-of-{cut[2]}.gguf") for n in range(1, int(cut[2]) + 1)]


def _read_part(path: Path) -> GgufHeader:
    """The header of one part. Raises LoadError."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise LoadError(
                f"{str(path)!r} is not a GGUF file: it does not begin with the letters GGUF."
                " llama.cpp reads GGUF files only; a folder of safetensors needs --type auto.",
                param="pretrained-path",
            )
        try:
            metadata, needed = _Reader(stream, size).read()
        # RecursionError: arrays may contain arrays, to any depth that the file claims.
        except (_CutError, RecursionError) as error:
            raise _damaged(path, size) from error
    if needed > size:
        raise _damaged(path, size, f" where {needed} are needed")
    return GgufHeader(metadata, size)


def _damaged(path: Path, size: int, needed: str = "") -> LoadError:
    return LoadError(
        f"{str(path)!r} is cut or damaged: it has {size} bytes{needed}. Get the file again.",
        param="pretrained-path",
    )


class _CutError(Exception):
    """Raised where the file ends too early, or claims a length that exceeds its size."""


class _Reader:
    """Reader of one part, which checks each length against `size`, the bytes of the file."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size

    def read(self) -> tuple[dict[str, Any], int]:
        """The metadata, and the bytes that the file must have for its tensors.

        Raises _CutError, LoadError.
        """
        version = self._scalar("I")
        if version not in (2, 3):
            raise LoadError(f"This GGUF file has version {version}; versions 2 and 3 are known.")
        tensors, entries = self._scalar("Q"), self._scalar("Q")
        # Each takes more than a byte, so a larger number cannot be true.
        if tensors > self._size or entries > self._size:
            raise _CutError
        metadata: dict[str, Any] = {}
        for _ in range(entries):
            name = self._string()
            metadata[name] = self._value(self._scalar("I"))
        end = max((self._tensor_end() for _ in range(tensors)), default=0)
        align = metadata.get("general.alignment", 32)
        align = align if isinstance(align, int) and align > 0 else 32
        # The data begins after the descriptions, at the next multiple of the alignment.
        start = -(-self._stream.tell() // align) * align
        return metadata, start + end if tensors else self._stream.tell()

    def _tensor_end(self) -> int:
        """Read one tensor's description; returns the end of its data, relative to all data."""
        self._string()
        values = 1
        dimensions = self._scalar("I")
        if dimensions > _MAX_DIMENSIONS:
            raise _CutError
        for _ in range(dimensions):
            values *= self._scalar("Q")
        kind, offset = self._scalar("I"), self._scalar("Q")
        block, bytes_ = _BLOCKS.get(kind, (1, 0))
        return int(offset + values // block * bytes_)

    def _value(self, kind: int) -> Any:
        """A metadata value of the type `kind`."""
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        if kind not in _SCALARS:
            raise _CutError
        return self._scalar(_SCALARS[kind])

    def _array(self) -> Any:
        """A list, or the length alone of a long array of numbers or texts."""
        kind, length = self._scalar("I"), self._scalar("Q")
        if length > self._size:
            raise _CutError
        if kind in _SCALARS and length > _KEPT_LENGTH:
            self._skip(length * struct.calcsize(_SCALARS[kind]))
            return ArrayLength(length)
        if kind == _STRING and length > _KEPT_LENGTH:
            for _ in range(length):  # texts have their own lengths, so each is skipped alone
                self._skip(self._scalar("Q"))
            return ArrayLength(length)
        return [self._value(kind) for _ in range(length)]

    def _string(self) -> str:
        return self._bytes(self._scalar("Q")).decode("utf-8", errors="replace")

    def _scalar(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self._bytes(struct.calcsize(code)))[0]

    def _bytes(self, count: int) -> bytes:
        if count > self._size:
            raise _CutError
        content = self._stream.read(count)
        if len(content) < count:
            raise _CutError
        return content

    def _skip(self, count: int) -> None:
        """Move on without reading. Checked here, as a seek beyond the end would succeed."""
        if self._stream.tell() + count > self._size:
            raise _CutError
        self._stream.seek(count, 1)
