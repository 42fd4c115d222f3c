"""The sampling settings that bots share: defaults, ranges and controls."""

import pytest

from bots.errors import InvalidRequest
from bots.sampling import SamplingSettings


def test_all_but_temperature_and_top_p_are_off() -> None:
    settings = SamplingSettings()
    assert (settings.temperature, settings.top_p) == (0.7, 0.9)
    assert (settings.top_k, settings.min_p, settings.typical_p) == (0, 0, 1)
    assert (settings.repetition_penalty, settings.presence_penalty) == (1, 0)
    assert (settings.frequency_penalty, settings.seed, settings.ignore_eos) == (0, None, False)
    assert settings.logprobs is settings.prompt_logprobs is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("top_k", -1),
        ("top_p", 1.1),
        ("min_p", -0.1),
        ("typical_p", 0),
        ("repetition_penalty", 0.4),
        ("presence_penalty", 2.1),
        ("frequency_penalty", -2.1),
        ("seed", 2**32 - 1),
        ("logprobs", 21),
        ("prompt_logprobs", -1),
    ],
)
def test_a_value_outside_its_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidRequest) as caught:
        SamplingSettings.parse({name: value})
    assert caught.value.param == name


def test_settings_for_programs_only_are_hidden() -> None:
    fields = SamplingSettings.model_json_schema()["properties"]
    hidden = [name for name, field in fields.items() if field["x-control"] == "hidden"]
    assert hidden == ["stop", "logprobs", "prompt_logprobs", "ignore_eos"]
