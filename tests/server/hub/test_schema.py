"""What may be registered as a worker."""

import pytest
from pydantic import ValidationError

from server.hub.schema import NewWorker, plain_name


@pytest.mark.parametrize("name", ["Mine", "猫 👩‍👩‍👧", "a [b]"])
def test_names_for_people(name: str) -> None:
    assert plain_name(name) == name


@pytest.mark.parametrize(
    "name", ["a\0", "a\n", "a\x1bb", "a\x9b", "a\u2028b", "a\u2029b", "\ud800"]
)
def test_names_that_break_a_terminal_or_a_command_line(name: str) -> None:
    with pytest.raises(ValueError, match="no control characters"):
        plain_name(name)


def test_an_address_is_completed_and_a_key_hidden() -> None:
    new = NewWorker.model_validate({"name": " Mine ", "url": "localhost:8081/", "api_key": "s3"})
    assert (new.name, new.url) == ("Mine", "http://localhost:8081")
    assert "s3" not in repr(new)


def test_what_cannot_be_registered() -> None:
    for wrong in ({"url": "ftp://a"}, {"name": ""}, {"api_key": "s3\n"}, {"colour": "red"}):
        with pytest.raises(ValidationError):
            NewWorker.model_validate({"name": "x", "url": "a", **wrong})
