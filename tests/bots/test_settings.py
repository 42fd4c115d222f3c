"""Settings of a family: other defaults, the same controls."""

import pytest
from pydantic import ValidationError

from bots.sampling import SamplingSettings
from bots.settings import with_defaults


def test_other_defaults_keep_the_control_and_its_limits() -> None:
    """Only the default changes, for this class alone."""
    cool = with_defaults(SamplingSettings, temperature=0.3, max_new_tokens=100)
    assert (cool().temperature, cool().max_new_tokens, cool().top_p) == (0.3, 100, 0.9)
    assert SamplingSettings().temperature == 0.7
    schema, original = cool.model_json_schema(), SamplingSettings.model_json_schema()
    own, theirs = schema["properties"]["temperature"], original["properties"]["temperature"]
    assert own == {**theirs, "default": 0.3}
    assert list(schema["properties"]) == list(original["properties"])
    with pytest.raises(ValidationError):
        cool(temperature=9)


def test_what_cannot_be_a_default() -> None:
    """A misspelt name and a value that no request could ask for."""
    with pytest.raises(TypeError, match="no setting 'temprature'"):
        with_defaults(SamplingSettings, temprature=0.3)
    with pytest.raises(ValidationError):
        with_defaults(SamplingSettings, temperature=7)
