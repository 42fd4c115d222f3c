"""Chinese-Vicuna's four ways to decode."""

import threading
from typing import Any

import pytest

from bots.chatbot import Inputs
from bots.families.vicuna import VicunaBot
from bots.transformers_bot import TransformersChatBot


@pytest.mark.parametrize(
    ("asked", "temperature", "beams"),
    [
        ({}, 0, 4),
        ({"do_sample": True}, 1.0, 4),
        ({"num_beams": 1}, 0, 1),
        ({"num_beams": 1, "do_sample": True, "temperature": 0.5}, 0.5, 1),
    ],
)
def test_the_four_modes(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], temperature: float, beams: int
) -> None:
    """Beam search, beam sampling, greedy and sampling, told by two settings."""
    seen: list[Any] = []

    def generate(_: object, inputs: Inputs, settings: Any, stop: object) -> Any:
        seen.append((settings.temperature, settings.num_beams))
        return iter(())

    monkeypatch.setattr(TransformersChatBot, "generate", generate)
    settings = VicunaBot.Settings.parse(asked)
    list(VicunaBot().generate(Inputs("x"), settings, threading.Event()))
    assert seen == [(temperature, beams)]
