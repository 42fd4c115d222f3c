"""Commands as the model writes them, and the results that it reads."""

import threading

import pytest

from bots.families.moss_plugins import plugin_turn
from bots.families.moss_plugins.plugin_turn import MAX_COMMANDS, results

STOP = threading.Event()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_turn, "run_tool", lambda name, argument, stop: f"{name}:{argument}")


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
    """A line for each command; what is not enabled says so."""
    assert results(commands, ["Calculate"], STOP) == expected


def test_not_too_many_are_run() -> None:
    """A model that repeats itself does not keep the machine busy."""
    found = results('Calculate("1") ' * 50, ["Calculate"], STOP)
    assert len(found.splitlines()) == MAX_COMMANDS
