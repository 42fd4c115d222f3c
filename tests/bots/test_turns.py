"""Turns of messages in any order of roles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.events import Message, Role
from bots.turns import Turns

ROLES: dict[str, Role] = {"s": "system", "u": "user", "a": "assistant"}


def messages(script: str) -> list[Message]:
    """The messages of a script: `u1 a2` is "1" of the user and "2" of the assistant."""
    return [Message(ROLES[word[0]], word[1:]) for word in script.split()]


@pytest.mark.parametrize(
    ("script", "turns"),
    [
        ("u1", Turns(None, (), "1")),
        ("s0 u1 a2 u3", Turns("0", (("1", "2"),), "3")),
        ("u1 u2 a3 a4 u5", Turns(None, (("1\n2", "3\n4"),), "5")),
        ("a1 u2", Turns(None, (("", "1"),), "2")),
        ("u1 a2", Turns(None, (("1", "2"),), "")),
        ("u1 s0 u2 a3 s9 u4", Turns("0\n9", (("1\n2", "3"),), "4")),
        ("s u1", Turns("", (), "1")),
    ],
)
def test_turns(script: str, turns: Turns) -> None:
    """One case per rule at the top of the module."""
    assert Turns.of(messages(script)) == turns


def test_a_system_text_in_front_of_the_first_question() -> None:
    """Also where the first question is the last one; an empty text changes nothing."""
    assert Turns("0", (), "1").with_system_in_front() == Turns(None, (), "0\n1")
    assert Turns("0", (("1", "2"),), "3").with_system_in_front() == Turns(
        None, (("0\n1", "2"),), "3"
    )
    assert Turns("", (), "1").with_system_in_front().question == "1"


@given(st.lists(st.tuples(st.sampled_from("sua"), st.text(min_size=1)), min_size=1))
def test_no_text_of_users_and_assistants_is_lost(script: list[tuple[str, str]]) -> None:
    """Their order stays the same."""
    turns = Turns.of([Message(ROLES[role], text) for role, text in script])
    said = "\n".join(text for pair in turns.history for text in pair) + "\n" + turns.question
    assert [c for c in said if c != "\n"] == [
        c for role, text in script if role != "s" for c in text if c != "\n"
    ]
