"""Small GGUF files, made byte by byte."""

import struct

F32, Q4_1 = 0, 3


def text(value: str) -> bytes:
    """A string of the format."""
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(name: str, value: object) -> bytes:
    """A metadata entry."""
    return text(name) + typed(value)


def typed(value: object) -> bytes:
    """A value after its type."""
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    assert isinstance(value, list)
    items = [typed(item) for item in value]
    kind = items[0][:4] if items else struct.pack("<I", 4)
    return (
        struct.pack("<I", 9)
        + kind
        + struct.pack("<Q", len(items))
        + b"".join(item[4:] for item in items)
    )


METADATA: dict[str, object] = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 512,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.chat_template": "{{ messages }}",
    "tokenizer.ggml.tokens": [f"t{n}" for n in range(2000)],
    "tokenizer.ggml.scores": list(range(2000)),
    "tokenizer.ggml.merges": [],
}


def gguf(metadata: dict[str, object] | None = None, *, version: int = 3) -> bytes:
    """A whole file with two tensors: 64 floats, and 64 values in blocks of 32."""
    entries = METADATA if metadata is None else metadata
    head = b"GGUF" + struct.pack("<IQQ", version, 2, len(entries))
    head += b"".join(entry(name, value) for name, value in entries.items())
    head += text("a.weight") + struct.pack("<IQQIQ", 2, 32, 2, F32, 0)
    head += text("b.weight") + struct.pack("<IQIQ", 1, 64, Q4_1, 256)
    return head + bytes(-len(head) % 32) + bytes(256 + 40)
