"""The page in the words of its users. Knows its roles and test ids; knows no processes."""

import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Locator, Page, expect

NETWORK = re.compile(r"Failed to load resource|net::ERR_")
"""What Chromium itself writes when a connection fails; the page cannot keep it from that."""


class ZooPage:
    """One tab with the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def register(self, address: str, name: str) -> None:
        """Add a worker by hand."""
        self.page.get_by_test_id("add-worker").click()
        self.page.get_by_label("Address").fill(address)
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_test_id("worker-save").click()

    def card(self, name: str) -> Locator:
        """A worker's card in the sidebar."""
        heading = self.page.get_by_role("heading", name=name, exact=True)
        return self.page.get_by_test_id("worker-card").filter(has=heading)

    def pane(self, name: str) -> "Pane":
        """The pane of a worker."""
        return Pane(self.page.get_by_role("region", name=name, exact=True))

    def ask(self, prompt: str) -> None:
        """Write a prompt and send it to all panes with Enter, as soon as there are any."""
        self.page.get_by_label("Prompt", exact=True).fill(prompt)
        expect(self.page.get_by_test_id("send")).to_be_enabled()
        self.page.keyboard.press("Enter")

    def serious_violations(self) -> list[tuple[str, str]]:
        """What axe calls serious or critical, with the first element it names."""
        return [(id, html) for id, impact, html in self._axe() if impact in ("serious", "critical")]

    def violations(self) -> list[tuple[str, str]]:
        """All that axe calls a violation, with the first element it names."""
        return [(id, html) for id, _, html in self._axe()]

    def _axe(self) -> list[tuple[str, str, str]]:
        found: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found]

    def complaints_of_the_page(self) -> list[str]:
        """The console's errors and warnings, without Chromium's own about connections."""
        return [text for text in self.complaints if not NETWORK.search(text)]


class Pane:
    """One pane."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.text = root.get_by_test_id("answer-text").last
        self.error = root.get_by_test_id("error")

    def expect_status(self, status: str, seconds: float = 20) -> None:
        """Wait until its last answer is streaming, done, stopped, error …"""
        expect(self.root).to_have_attribute("data-status", status, timeout=seconds * 1000)

    def expect_text(self) -> None:
        """Wait until its last answer has begun."""
        expect(self.text).not_to_be_empty()

    def set(self, **values: str) -> None:
        """Fill the settings form: `repeat="5"`."""
        self.root.get_by_test_id("settings-open").click()
        for setting, value in values.items():
            field = self.root.locator(f"[data-setting={setting}] input[type=number]")
            field.fill(value)
            field.blur()
        self.root.get_by_test_id("settings-close").click()

    def open_menu(self) -> None:
        """Open its menu of actions."""
        self.root.get_by_role("button", name="Actions for the pane").click()
        expect(self.root.page.get_by_role("menu")).to_be_visible()

    def choose(self, action: str) -> None:
        """One action of its menu."""
        self.open_menu()
        self.root.page.get_by_role("menuitem", name=action).click()

    def edit(self, prompt: str, new: str, *, everywhere: bool = False) -> None:
        """Edit a prompt and send it again, here or in all panes."""
        asked = self.root.page.get_by_test_id("prompt").filter(has_text=prompt)
        turn = self.root.get_by_test_id("turn").filter(has=asked)
        turn.get_by_test_id("prompt").hover()
        turn.get_by_test_id("edit").click()
        self.root.get_by_label("The prompt, to be sent again").fill(new)
        self.root.get_by_test_id("edit-all" if everywhere else "edit-here").click()

    def stop(self) -> None:
        """Stop this pane's answer only."""
        self.root.get_by_test_id("stop").click()

    def regenerate(self) -> None:
        """Ask for the last answer again."""
        self.root.get_by_test_id("regenerate").click()
