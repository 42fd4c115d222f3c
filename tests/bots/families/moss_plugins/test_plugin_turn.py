"""Commands of the model and the lines of their results."""

import threading

import pytest

from bots.families.moss_plugins.plugin_turn import MAX_COMMANDS, results

STOP = threading.Event()


def run_tool(name: str, argument: str, stop: threading.Event) -> str:
    """A tool whose result is its call."""
    return f"{name}:{argument}"


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        (' Calculate("1+1")', 'Calculate("1+1") => Calculate:1+1'),
        (" Calculate(sqrt(2)*(1+1))", 'Calculate("sqrt(2)*(1+1)") => Calculate:sqrt(2)*(1+1)'),
        (
            ' Calculate("1"), Solve("x=1")',
            'Calculate("1") => Calculate:1\nSolve("x=1") => disabled',
        ),
        (' Search("weather")', 'Search("weather") => disabled'),
        (" None", "None"),
        ("", "None"),
    ],
)
def test_results(commands: str, expected: str) -> None:
    """One line per command, also of a tool that is not enabled."""
    assert results(commands, ["Calculate"], STOP, run_tool) == expected


def test_further_commands_are_ignored() -> None:
    """So that a model that repeats itself does not occupy the machine."""
    found = results('Calculate("1") ' * 50, ["Calculate"], STOP, run_tool)
    assert len(found.splitlines()) == MAX_COMMANDS
