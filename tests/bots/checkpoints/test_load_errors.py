"""Failures of loading as people see them."""

import pytest

from bots.checkpoints.load_errors import loading
from bots.errors import LoadError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (LoadError("There is no merges.txt."), "Cannot load the model of 'm': There is no"),
        (LoadError("Cannot load the model of '/c': it is cut."), "Cannot load the model of '/c'"),
        (RecursionError("too deep"), "Cannot load the model of 'm': too deep"),
        (ValueError("line one\nline two"), "Cannot load the model of 'm': line one line two"),
        (RuntimeError("can't allocate memory: 9 GB"), "There is not enough memory for 'm'."),
    ],
)
def test_a_failure_says_once_what_could_not_be_loaded(error: Exception, expected: str) -> None:
    """And is one line."""
    with pytest.raises(LoadError) as caught, loading("model", "m", lambda *_: None):
        raise error
    assert caught.value.message.startswith(expected)
    assert caught.value.message.count("Cannot load") <= 1
    assert "\n" not in caught.value.message
