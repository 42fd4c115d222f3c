"""The exceptions of bots: their tree in the module, their codes and messages."""

import re

import pytest

from bots import errors
from bots.errors import BotError, ContextLengthExceeded

CLASSES: list[type[BotError]] = [
    value for value in vars(errors).values() if isinstance(value, type) and value is not BotError
]


def test_the_tree_at_the_top_of_the_module_is_complete() -> None:
    """Indented as the classes inherit from one another."""
    assert errors.__doc__
    drawn = re.findall(r"^(    [│ ├└─]*)([A-Z]\w+)", errors.__doc__, re.MULTILINE)
    depths = {name: len(indent) // 4 for indent, name in drawn}
    kinds: list[type[BotError]] = [BotError, *CLASSES]
    assert depths == {kind.__name__: kind.__mro__.index(BotError) + 1 for kind in kinds}


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_has_a_code_of_its_own(kind: type[BotError]) -> None:
    assert [other.code for other in CLASSES].count(kind.code) == 1
    assert kind.code != BotError.code


def test_an_error_has_a_message_and_the_field_at_fault() -> None:
    error = BotError("It is wrong.", param="mood")
    assert (str(error), error.message, error.param) == ("It is wrong.", "It is wrong.", "mood")
    assert BotError("It is wrong.").param is None


def test_a_prompt_that_is_too_long_has_both_numbers() -> None:
    error = ContextLengthExceeded(21, 20)
    assert (error.prompt_tokens, error.context_length, error.param) == (21, 20, "messages")
    assert "at least one is needed for the answer" in error.message
    assert "for the answer" not in ContextLengthExceeded(21, 20, alone=True).message
