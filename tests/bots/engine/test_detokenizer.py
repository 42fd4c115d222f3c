"""Text comes out whole: never half a character, never another text than that of all ids."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from bots.engine.detokenizer import Detokenizer

HARD = [
    "你好，世界！",
    "🙂👨‍👩‍👧‍👦🇨🇳",
    "naïve café",
    "e\u0301 combining",
    " leading blank",
    "a\n\n  b",
    "𠜎𠜱",
    "العربية",
    "हिन्दी",
]
# No special token, which is no text: hypothesis tries constants of the sources too.
TEXT = st.one_of(st.sampled_from(HARD), st.text(max_size=30).filter(lambda one: "<|" not in one))


class Slow:
    """The same tokenizer without its Rust side, as a SentencePiece one of old would be."""

    def __init__(self, tokenizer: Any) -> None:
        self.decode = tokenizer.decode
        self.all_special_ids = tokenizer.convert_tokens_to_ids(["</s>", "<|user|>"])


def pieces(reader: Detokenizer, chunks: Sequence[Sequence[int]]) -> list[str]:
    return [reader.add(chunk) for chunk in chunks]


@pytest.mark.parametrize("fast", [True, False])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=TEXT)
def test_one_id_at_a_time_gives_the_text_and_no_broken_character(
    tiny_tokenizer: Any, fast: bool, text: str
) -> None:
    ids = tiny_tokenizer.encode(text)
    reader = Detokenizer(tiny_tokenizer if fast else Slow(tiny_tokenizer))
    got = pieces(reader, [[one] for one in ids])
    assert "".join(got) == text
    if "\ufffd" not in text:
        assert all("\ufffd" not in piece for piece in got)


@pytest.mark.parametrize("fast", [True, False])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=TEXT, cuts=st.lists(st.integers(0, 60), max_size=8))
def test_any_chunking_gives_the_same_text(
    tiny_tokenizer: Any, fast: bool, text: str, cuts: list[int]
) -> None:
    ids = tiny_tokenizer.encode(text)
    ends = sorted({min(cut, len(ids)) for cut in cuts} | {len(ids)})
    chunks = [ids[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    reader = Detokenizer(tiny_tokenizer if fast else Slow(tiny_tokenizer))
    assert "".join(pieces(reader, chunks)) == text


def test_every_cut_inside_a_character_waits(tiny_tokenizer: Any) -> None:
    ids = tiny_tokenizer.encode("👨‍👩‍👧‍👦")
    assert len(ids) > 4
    got = pieces(Detokenizer(tiny_tokenizer), [[one] for one in ids])
    assert "".join(got) == "👨‍👩‍👧‍👦"
    assert "" in got
    assert all("\ufffd" not in piece for piece in got)


def byte_fallback() -> Any:
    """A tokenizer as LLaMA's: a byte that is no piece is a token of its own."""
    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)} | {"b": 256, "é": 257}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@settings(deadline=None)
@given(ids=st.lists(st.sampled_from([0xE4, 0xBD, 0xA0, 0xC3, 0xA9, 0xFF, 256, 257]), max_size=12))
def test_bytes_that_are_no_characters_end_no_answer(ids: list[int]) -> None:
    """A model that samples may give them; what comes after them is text again."""
    reader = Detokenizer(byte_fallback())
    pieces(reader, [[one] for one in ids])
    assert "".join(pieces(reader, [[256], [257], [0xE4], [0xBD], [0xA0]])).endswith("bé你")


def test_special_tokens_are_left_out_unless_wanted(tiny_tokenizer: Any) -> None:
    ids = tiny_tokenizer.encode("a</s>b")
    assert Detokenizer(tiny_tokenizer).add(ids) == "ab"
    assert Detokenizer(tiny_tokenizer, skip_special_tokens=False).add(ids) == "a</s>b"


@pytest.mark.parametrize("fast", [True, False])
def test_chosen_special_tokens_are_shown_among_others_that_are_not(
    tiny_tokenizer: Any, fast: bool
) -> None:
    ids = tiny_tokenizer.encode("好</s><|user|>🙂</s>b")
    shown = tiny_tokenizer.convert_tokens_to_ids("<|user|>")
    reader = Detokenizer(tiny_tokenizer if fast else Slow(tiny_tokenizer), shown=[shown])
    got = pieces(reader, [[one] for one in ids])
    assert "".join(got) == "好<|user|>🙂b"
    assert all("\ufffd" not in piece for piece in got)


@pytest.mark.parametrize("fast", [True, False])
def test_after_a_restart_nothing_is_left_of_the_text_before(
    tiny_tokenizer: Any, fast: bool
) -> None:
    reader = Detokenizer(tiny_tokenizer if fast else Slow(tiny_tokenizer))
    reader.add(tiny_tokenizer.encode("a🙂")[:-1])
    reader.restart()
    assert reader.add(tiny_tokenizer.encode("好b")) == "好b"


def test_an_unfinished_character_at_the_end_is_not_shown(tiny_tokenizer: Any) -> None:
    ids = tiny_tokenizer.encode("a🙂")
    assert Detokenizer(tiny_tokenizer).add(ids[:-1]) == "a"
