"""What the hub prints, on a terminal and elsewhere."""

import io

from rich.console import Console

from server.hub.console import HubConsole
from server.hub.registry import Member
from server.hub.schema import Health, State
from server.hub.zoo_worker import ZooWorker
from server.worker.config import WorkerConfig
from server.worker.schema import ProgressBody
from tests.support import eventually

SHOW_CURSOR = "\x1b[?25h"
"""What rich writes when it has stopped to draw."""


def hub_console(*, terminal: bool) -> HubConsole:
    workers = tuple(
        ZooWorker(name, WorkerConfig(type="echo"), frozenset(), 1) for name in ("One", "模型 [b]")
    )
    console = Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=100,
        color_system=None,
    )
    return HubConsole(workers, console)


def text(hub: HubConsole) -> str:
    assert isinstance(hub.console.file, io.StringIO)
    return hub.console.file.getvalue()


def member(name: str = "模型 [b]", source: str = "zoo") -> Member:
    return Member("id", name, "http://127.0.0.1:8081", "zoo" if source == "zoo" else "registered")


def become(hub: HubConsole, who: Member, state: State, **more: object) -> None:
    before, who.health = who.health, Health(state=state, **more)
    hub.show_health(who, before)


def test_lines_are_aligned_under_the_workers_names() -> None:
    hub = hub_console(terminal=False)
    hub.print_line("One", "[info] ready")
    hub.print_line("模型 [b]", "\x1b[31mred\x1b[0m")
    assert text(hub) == "One      │ [info] ready\n模型 [b] │ red\n"


def test_elsewhere_only_what_matters_is_a_line() -> None:
    hub, who = hub_console(terminal=False), member()
    become(hub, who, "loading", progress=ProgressBody(stage="weights", fraction=0.5))
    become(hub, who, "ready")
    become(hub, who, "ready")
    become(hub, who, "down", error="The process ended (signal 9).")
    become(hub, who, "failed", error="No file.")
    assert text(hub) == (
        "✓ 模型 [b] is ready at http://127.0.0.1:8081\n✗ 模型 [b] failed: No file.\n"
    )


def test_a_registered_worker_that_is_down_is_a_line() -> None:
    hub, who = hub_console(terminal=False), member("Mine", "registered")
    become(hub, who, "down", error="No answer within 2 seconds.")
    assert text(hub) == "✗ Mine: No answer within 2 seconds.\n"


def test_a_terminal_has_a_bar_while_a_model_loads() -> None:
    hub, who = hub_console(terminal=True), member()
    with hub:
        become(hub, who, "loading", progress=ProgressBody(stage="weights [1]", fraction=0.5))
        hub.print_line("One", "loading: weights")
        eventually(lambda: "weights [1]" in text(hub), "a drawn bar")
        assert "loading: weights" not in text(hub)
        become(hub, who, "ready")
        assert text(hub).count(SHOW_CURSOR) == 1, "the bars are gone"
    assert "is ready at" in text(hub)
