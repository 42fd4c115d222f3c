"""How options are declared, spelled and ordered."""

from typing import Any

import pytest
from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from bots.options import option, options_of
from bots.settings import BotConfig


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    retries: int = option(3, "Limits", "Retries of a request", ge=0)
    shape: str | None = option(None, "Model", "Shape of the model", default_text="round")
    path: str = option("", "Model", "Path of the model", first=True, selects_model=True)
    internal_switch: bool = option(False, "Process", "Off", hub_only=True)


def test_an_option_has_its_spellings_and_its_properties() -> None:
    path, shape, retries, switch = options_of(Config)
    assert [one.flag for one in (path, shape, retries)] == ["--path", "--shape", "--retries"]
    assert (switch.flag, switch.variable) == ("--internal-switch", "CHATZOO_INTERNAL_SWITCH")
    assert (retries.default, retries.help, retries.panel) == (3, "Retries of a request", "Limits")
    assert shape.default_text == "round"
    assert (path.selects_model, shape.selects_model) == (True, False)
    assert (switch.hub_only, path.hub_only) == (True, False)


def test_a_declared_option_is_a_checked_field() -> None:
    assert Config().retries == 3
    assert Config(5).retries == 5
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Config(retries=-1)


def test_every_option_of_a_bot_has_a_help_text() -> None:
    for one in options_of(BotConfig):
        assert one.help
        assert not one.help.endswith(".")


@pytest.mark.parametrize("wrong", [{"devices": "gpu"}, {"dtype": "int3"}, {"dvices": "cpu"}])
def test_the_config_of_a_bot_is_checked_when_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        BotConfig("model", **wrong)
