"""A comparison as a new user makes it, by keyboard and nothing else: the tour of docs/page.md.

With CHATZOO_SCREENSHOT=1 the run makes that page's pictures.
"""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import ZooPage
from tests.e2e.test_page import IMAGES, LARGEST_PICTURE
from tests.support import running_worker

pytestmark = [pytest.mark.browser, pytest.mark.model]

MOST_TABS = 40
"""Nobody presses a key more often than that to come to a button."""

PROMPT = "What is the capital of France, and what is it known for?"
SYSTEM = "You are a pirate. Answer in one sentence."


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until it has the focus."""
    for _ in range(MOST_TABS):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{MOST_TABS} times Tab did not lead to {target}")


def choose(page: Page, action: str) -> None:
    """An action of the menu that is open."""
    wanted = page.get_by_role("menuitem", name=action, exact=True)
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def take_picture(page: Page, name: str) -> None:
    if os.environ.get("CHATZOO_SCREENSHOT") != "1":
        return
    picture = IMAGES / f"tour-{name}.png"
    page.screenshot(path=picture, animations="disabled")
    assert picture.stat().st_size <= LARGEST_PICTURE


@pytest.mark.usefixtures("builtin_gguf")
def test_two_workers_by_url_a_difference_and_an_export(
    zoo_page: ZooPage, static_page: str, tmp_path: Path
) -> None:
    """Nothing here touches the mouse, and no focus is set but by keys."""
    page = zoo_page.page
    flags = ("--pretrained-path", "builtin:smollm2-gguf", "--allow-origin", static_page)
    with ExitStack() as stack:
        names = ("Plain", "Pirate")
        workers = [stack.enter_context(running_worker(*flags, "--name", name)) for name in names]
        page.goto(static_page)

        # 1. Register two workers by their addresses.
        for worker in workers:
            add = page.get_by_test_id("empty-add" if worker is workers[0] else "add-worker")
            expect(add).to_be_visible()
            tab_to(page, add)
            page.keyboard.press("Enter")
            expect(page.get_by_label("Address")).to_be_focused()
            page.keyboard.type(worker.url.removeprefix("http://"))
            if worker is workers[0]:
                take_picture(page, "1-register")
            page.keyboard.press("Enter")
        plain, pirate = (zoo_page.pane(name) for name in names)
        for name in names:
            expect(zoo_page.card(name)).to_have_attribute("data-state", "ready")

        # 2. Give one of them a system prompt, and both the same temperature.
        for pane in (plain, pirate):
            page.keyboard.press("Alt+Shift+J")
            page.keyboard.press("Alt+Shift+O")
            settings = pane.root.get_by_test_id("settings")
            expect(settings).to_be_visible()
            if pane is pirate:
                tab_to(page, settings.get_by_label("System prompt"))
                page.keyboard.type(SYSTEM)
            tab_to(page, settings.locator("[data-setting=temperature] input[type=number]"))
            page.keyboard.press("ControlOrMeta+A")
            page.keyboard.type("0")
            if pane is pirate:
                take_picture(page, "2-settings")
            page.keyboard.press("Escape")
            expect(settings).to_be_hidden()

        # 3. Ask both.
        page.keyboard.press("Alt+Shift+P")
        expect(page.locator("#prompt")).to_be_focused()
        page.keyboard.type(PROMPT)
        page.keyboard.press("Enter")
        for pane in (plain, pirate):
            pane.expect_status("done", 60)
        expect(plain.root.get_by_test_id("mark")).to_contain_text("differs")
        take_picture(page, "3-compare")

        # 4. See where the answers differ.
        # From outside, the pane that had the focus last comes first.
        page.keyboard.press("Alt+Shift+J")
        page.keyboard.press("Alt+Shift+K")
        tab_to(page, plain.root.get_by_test_id("mark"))
        page.keyboard.press("Enter")
        difference = page.get_by_test_id("diff-dialog")
        expect(difference.locator("ins").first).to_be_visible()
        take_picture(page, "4-difference")
        page.keyboard.press("Escape")
        expect(difference).to_be_hidden()
        expect(plain.root.get_by_test_id("mark")).to_be_focused()

        # 5. Export the session.
        tab_to(page, page.get_by_role("button", name="Export and import sessions"))
        page.keyboard.press("Enter")
        take_picture(page, "5-export")
        with page.expect_download() as waiting:
            choose(page, "Export all as Markdown")
        path = tmp_path / "session.md"
        waiting.value.save_as(path)
        text = path.read_text("utf-8")
        assert PROMPT in text
        assert SYSTEM in text
        assert zoo_page.complaints_of_the_page() == []
