"""Settings with other defaults: the same controls and limits."""

import pytest
from pydantic import ValidationError

from bots.sampling import SamplingSettings
from bots.settings import with_defaults


def test_other_defaults_keep_the_control_and_its_limits() -> None:
    """Only the default changes, and only in the new class."""
    cool = with_defaults(SamplingSettings, temperature=0.3, max_new_tokens=100)
    assert (cool().temperature, cool().max_new_tokens, cool().top_p) == (0.3, 100, 0.9)
    assert SamplingSettings().temperature == 0.7
    schema, original = cool.model_json_schema(), SamplingSettings.model_json_schema()
    own, theirs = schema["properties"]["temperature"], original["properties"]["temperature"]
    assert own == {**theirs, "default": 0.3}
    assert list(schema["properties"]) == list(original["properties"])
    with pytest.raises(ValidationError):
        cool(temperature=9)


def test_an_unknown_name_or_a_value_outside_its_limits_is_refused() -> None:
    with pytest.raises(TypeError, match="no setting 'temprature'"):
        with_defaults(SamplingSettings, temprature=0.3)
    with pytest.raises(ValidationError):
        with_defaults(SamplingSettings, temperature=7)
