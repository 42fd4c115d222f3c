"""`chatzoo list`: the families."""

import json

import pytest

from server.cli import listing
from tests.server.cli.conftest import plain, printed


def test_families(capsys: pytest.CaptureFixture[str]) -> None:
    listing.show_families(as_json=True)
    found = {row["name"]: row for row in json.loads(capsys.readouterr().out)["families"]}
    assert found["echo"]["class"] == "bots.backends.echo:EchoBot"
    assert "builtin:smollm2" in found["auto"]["ids"]
    assert found["godel"]["about"] == "GODEL: T5, grounded in an instruction and knowledge."
    assert all(row["about"] for row in found.values() if row["class"].startswith("bots."))
    console = plain()
    listing.show_families(as_json=False, console=console)
    shown = printed(console)
    assert all(one in shown for row in found.values() for one in row["ids"]), "none is cut short"


def test_a_family_of_another_package_is_named_by_its_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its module is not looked for, which may run code."""
    monkeypatch.setattr(listing, "known_bots", lambda: {"other": "no_such.module:Bot"})
    console = plain()
    listing.show_families(as_json=False, console=console)
    assert "no_such.module:Bot" in printed(console)
