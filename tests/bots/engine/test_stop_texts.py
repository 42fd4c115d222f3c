"""Stop texts among token ids."""

from typing import Any

import pytest

from bots.engine.stop_texts import StopTexts


@pytest.mark.parametrize(
    ("answer", "texts", "met"),
    [
        ("one fox", ("fox",), True),
        ("one fo", ("fox",), False),
        ("fox" + " and then" * 60, ("fox",), False),  # was complete long ago
        ("日本の狐", ("の狐",), True),
        ("日本の狐", ("", "fox", "狐"), True),
        ("fox", (), False),
        ("fox", ("",), False),
    ],
)
def test_whether_the_newest_token_completes_one(
    tiny_tokenizer: Any, answer: str, texts: tuple[str, ...], met: bool
) -> None:
    ids = tiny_tokenizer.encode(answer, add_special_tokens=False)
    assert StopTexts(tiny_tokenizer, texts, skip_special_tokens=True)(ids) is met
