"""Messages, steps and events are frozen data."""

from dataclasses import FrozenInstanceError, fields

import pytest

from bots.events import Delta, Done, Message, Replace, Start, Step, Usage


@pytest.mark.parametrize(
    "value", [Message("user", "hi"), Step("a"), Start(1), Delta("a"), Replace("a"), Done("stop")]
)
def test_they_cannot_be_changed(value: object) -> None:
    name = fields(value)[0].name  # type: ignore[arg-type]
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, None)


def test_empty_ones_are_neutral() -> None:
    assert Step() == Step(text="", reasoning="", token_ids=(), logprobs=(), whole=False)
    assert Done("stop").usage == Usage(None, 0, 0)
    assert Replace("a").reasoning is None, "None leaves the reasoning as it was sent"
