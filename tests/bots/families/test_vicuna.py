"""Chinese-Vicuna's four ways to decode."""

from typing import Any

import pytest

from bots.families.vicuna import VicunaBot


@pytest.mark.parametrize(
    ("asked", "temperature", "beams"),
    [
        ({}, 0, 4),
        ({"do_sample": True}, 1.0, 4),
        ({"num_beams": 1}, 0, 1),
        ({"num_beams": 1, "do_sample": True, "temperature": 0.5}, 0.5, 1),
    ],
)
def test_the_four_modes(asked: dict[str, Any], temperature: float, beams: int) -> None:
    """Beam search, beam sampling, greedy and sampling, chosen by two settings."""
    settled: Any = VicunaBot().settle(VicunaBot.Settings.parse(asked))
    assert (settled.temperature, settled.num_beams) == (temperature, beams)
