"""GGUF headers, made here byte by byte, whole and cut at every place."""

import struct
from pathlib import Path

import pytest

from bots.backends.llamacpp.gguf_header import ArrayLength, read_header
from bots.errors import LoadError
from tests.bots.backends.llamacpp.gguf_bytes import METADATA, gguf


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the tests write their file."""
    return tmp_path / "model.gguf"


def test_a_header_tells_what_the_bot_needs(path: Path) -> None:
    """Long arrays are counted, not kept."""
    path.write_bytes(gguf())
    header = read_header(path)
    assert header.architecture == "llama"
    assert header.context_length == 512
    assert header.vocabulary == 2000
    assert header.chat_template == "{{ messages }}"
    assert header.metadata["tokenizer.ggml.scores"] == ArrayLength(2000)
    # 2 layers, 2 heads of 16, keys and values, 2 bytes each
    assert header.cache_bytes_per_token == 2 * 2 * (16 + 16) * 2
    assert header.bytes == path.stat().st_size


def test_heads_that_differ_from_layer_to_layer_are_added(path: Path) -> None:
    """Some architectures have a list there."""
    path.write_bytes(gguf(METADATA | {"llama.attention.head_count_kv": [1, 4]}))
    assert read_header(path).cache_bytes_per_token == (1 + 4) * (16 + 16) * 2


def test_what_the_file_does_not_say_is_none(path: Path) -> None:
    """Not every architecture has attention, nor every file a template."""
    path.write_bytes(gguf({"general.architecture": "mamba"}))
    header = read_header(path)
    assert header.context_length is None
    assert header.chat_template is None
    assert header.vocabulary is None
    assert header.cache_bytes_per_token is None


def test_a_file_cut_anywhere_is_noticed(path: Path) -> None:
    """In the magic, the metadata, the tensor list, and the last byte of the data."""
    whole = gguf(METADATA | {"tokenizer.ggml.tokens": ["a", "b"], "tokenizer.ggml.scores": [1]})
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(LoadError, match="not a GGUF file" if size < 4 else "cut or damaged"):
            read_header(path)


def test_a_cut_in_a_long_array_is_noticed(path: Path) -> None:
    """Skipping does not go past the end."""
    whole = gguf()
    for marker in (b"t1999", struct.pack("<I", 1990)):
        path.write_bytes(whole[: whole.index(marker) + 2])
        with pytest.raises(LoadError, match="cut or damaged"):
            read_header(path)


def test_lengths_that_cannot_be_are_not_believed(path: Path) -> None:
    """A damaged length neither takes all memory nor runs for ever."""
    whole = bytearray(gguf())
    for at in (8, 16, 24):  # tensors, entries, length of the first name
        broken = whole.copy()
        broken[at : at + 8] = b"\xff" * 8
        path.write_bytes(broken)
        with pytest.raises(LoadError, match="cut or damaged"):
            read_header(path)


def test_other_files_are_told_apart(path: Path) -> None:
    """A missing file, another format, another version."""
    with pytest.raises(LoadError, match="There is no file"):
        read_header(path)
    path.write_bytes(b"PK\x03\x04 a zip file")
    with pytest.raises(LoadError, match="not a GGUF file"):
        read_header(path)
    path.write_bytes(gguf(version=1))
    with pytest.raises(LoadError, match="version 1"):
        read_header(path)


def test_a_model_in_parts_needs_all_of_them(tmp_path: Path) -> None:
    """The parts are found by their names; the sizes add up."""
    parts = [tmp_path / f"m-{n:05}-of-00002.gguf" for n in (1, 2)]
    parts[0].write_bytes(gguf())
    with pytest.raises(LoadError, match=r"m-00002-of-00002\.gguf.*part of m-00001"):
        read_header(parts[0])
    parts[1].write_bytes(gguf({}))
    assert read_header(parts[0]).bytes == sum(part.stat().st_size for part in parts)
    assert read_header(parts[0]).architecture == "llama"
    with pytest.raises(LoadError, match=r"give m-00001-of-00002\.gguf"):
        read_header(parts[1])


@pytest.mark.model
def test_the_built_in_file_ends_where_its_header_says(builtin_gguf: Path, tmp_path: Path) -> None:
    """One byte less and it is cut: the table of block sizes is right for this type."""
    header = read_header(builtin_gguf)
    assert header.vocabulary == 49152
    assert header.context_length == 8192
    assert header.cache_bytes_per_token == 30 * 3 * (64 + 64) * 2
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(builtin_gguf.read_bytes()[:-1])
    with pytest.raises(LoadError, match="98362431 bytes where 98362432 are needed"):
        read_header(cut)
