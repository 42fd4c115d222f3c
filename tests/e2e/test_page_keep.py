"""What the page keeps: sessions, files, reloads in mid-answer. Real echo workers."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import ZooPage
from tests.server.hub.conftest import Hub
from tests.support import eventually

pytestmark = pytest.mark.browser

ENDLESS = "5000"
TITLES = """() => new Promise((resolve) => {
  const opening = indexedDB.open('chatzoo')
  opening.onsuccess = () => {
    const asked = opening.result.transaction('sessions').objectStore('sessions').get('index')
    asked.onsuccess = () => {
      opening.result.close()
      resolve((asked.result ?? []).map(({ title }) => title))
    }
  }
})"""
"""The titles of the sessions that the browser keeps."""
WORDS = "The quick brown fox jumps over the lazy dog. " * 10


def sessions(page: Page) -> Locator:
    return page.get_by_test_id("session")


def session(page: Page, name: str) -> Locator:
    """A session in the list, by its name."""
    return sessions(page).filter(has=page.get_by_text(name, exact=True))


def choose(page: Page, entry: Locator, action: str) -> None:
    """Something in the menu of a session or preset, by keyboard only."""
    entry.get_by_role("button", name="Actions for the").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menu")).to_be_visible()
    page.get_by_role("menuitem", name=action, exact=True).focus()
    page.keyboard.press("Enter")


def answer_in_new_session(zoo: ZooPage, prompt: str) -> None:
    zoo.page.get_by_test_id("new-session").click()
    zoo.ask(prompt)
    zoo.pane("Fox").expect_status("done")
    expect(session(zoo.page, prompt)).to_be_visible()


def test_name_search_pin_delete(zoo_page: ZooPage, start_zoo: Callable[..., Hub]) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox").url)
    expect(zoo_page.card("Fox")).to_have_attribute("data-state", "ready")
    for prompt in ("about owls", "about wombats", "about foxes"):
        answer_in_new_session(zoo_page, prompt)

    choose(page, session(page, "about owls"), "Rename")
    expect(page.get_by_test_id("rename")).to_be_focused()
    page.keyboard.type("Night birds")
    page.keyboard.press("Enter")
    birds = session(page, "Night birds")
    expect(birds.get_by_role("button").first).to_be_focused()

    choose(page, birds, "Pin")
    expect(sessions(page).first).to_contain_text("Night birds")
    expect(sessions(page).first).to_contain_text("pinned")

    # The prompt is in the text only, now that the session has another name.
    search = page.get_by_test_id("search")
    search.fill("OWLS about")
    expect(sessions(page)).to_have_count(1)
    expect(birds).to_be_visible()
    search.fill("elephants")
    expect(page.get_by_text("No session has all these words.")).to_be_visible()
    search.fill("")
    expect(sessions(page)).to_have_count(3)
    assert zoo_page.serious_violations() == []

    choose(page, birds, "Delete")
    expect(sessions(page)).to_have_count(2)
    expect(page.get_by_test_id("undo")).to_be_focused()
    assert zoo_page.serious_violations() == []
    page.keyboard.press("Enter")
    expect(sessions(page).first).to_contain_text("Night birds")

    page.reload()
    expect(sessions(page)).to_have_count(3)
    expect(sessions(page).first).to_contain_text("Night birds")
    expect(zoo_page.pane("Fox").text).to_have_text("about foxes")
    choose(page, session(page, "about foxes"), "Delete")
    expect(page.get_by_test_id("undo")).to_be_focused()
    page.reload()
    expect(sessions(page)).to_have_count(2)
    assert zoo_page.complaints == []


def test_files(zoo_page: ZooPage, start_zoo: Callable[..., Hub], tmp_path: Path) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox", "Owl").url)
    for name in ("Fox", "Owl"):
        expect(zoo_page.card(name)).to_have_attribute("data-state", "ready")
    zoo_page.ask("=1+1 狐狸")
    for name in ("Fox", "Owl"):
        zoo_page.pane(name).expect_status("done")
    zoo_page.pane("Fox").regenerate()
    expect(zoo_page.pane("Fox").root.get_by_role("group", name="Versions")).to_be_visible()
    zoo_page.pane("Fox").expect_status("done")

    def export(action: str) -> str:
        with page.expect_download() as waiting:
            choose(page, session(page, "=1+1 狐狸"), f"Export as {action}")
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path.read_bytes().decode()

    rows = [json.loads(line) for line in export("JSONL").splitlines()]
    marks = [(row["worker"], row["version"], row["shown"]) for row in rows]
    assert marks == [("Fox", 1, False), ("Fox", 2, True), ("Owl", 1, True)]
    for row in rows:
        assert row["answer"] == row["prompt"] == "=1+1 狐狸"
        assert row["status"] == "done"
        assert row["finish_reason"] == "stop"
        assert row["tokens"] > 0
        assert row["total_ms"] >= row["ttft_ms"] > 0
    table = list(csv.DictReader(export("CSV").removeprefix("\ufeff").splitlines(keepends=True)))
    assert [row["answer"] for row in table] == ["'=1+1 狐狸"] * 3
    assert float(table[0]["total_ms"]) == rows[0]["total_ms"]
    report = export("Markdown")
    assert "\n### Fox\n" in report
    assert "\n| Owl |" in report
    document = json.loads(export("JSON"))
    assert document["version"] == 2
    assert len(document["sessions"][0]["panes"][0]["turns"][0]["versions"]) == 2
    assert zoo_page.complaints == []


def test_what_was_exported_comes_back_in_another_browser(
    zoo_page: ZooPage,
    start_zoo: Callable[..., Hub],
    tmp_path: Path,
    new_context: Callable[..., Any],
) -> None:
    page = zoo_page.page
    url = start_zoo("Fox").url
    page.goto(url)
    expect(zoo_page.card("Fox")).to_have_attribute("data-state", "ready")
    for prompt in ("one", "two"):
        answer_in_new_session(zoo_page, prompt)
    menu_of_all(page)
    with page.expect_download() as waiting:
        page.get_by_role("menuitem", name="Export all as JSON", exact=True).click()
    path = tmp_path / "sessions.json"
    waiting.value.save_as(path)

    other = new_context().new_page()
    other.goto(url)
    import_file(other, path)
    expect(other.get_by_test_id("session-import-result")).to_have_text("Imported: 2")
    import_file(other, path)
    expect(sessions(other)).to_have_count(4)
    session(other, "two").first.get_by_role("button").first.click()
    expect(ZooPage(other).pane("Fox").text).to_have_text("two")

    path.write_text(path.read_text(encoding="utf-8").replace('"two"', "2"), encoding="utf-8")
    import_file(other, path)
    expect(other.get_by_test_id("session-import-result")).to_contain_text(".text is missing")
    expect(sessions(other)).to_have_count(4)
    assert zoo_page.complaints == []


def menu_of_all(page: Page, what: str = "sessions") -> None:
    page.get_by_role("button", name=f"Export and import {what}").click()


def import_file(page: Page, path: Path, what: str = "sessions") -> None:
    menu_of_all(page, what)
    with page.expect_file_chooser() as waiting:
        page.get_by_role("menuitem", name="Import JSON").click()
    waiting.value.set_files(path)


def test_a_reload_in_mid_answer_keeps_what_was_shown(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox").url)
    fox = zoo_page.pane("Fox")
    fox.set(rate="50", repeat=ENDLESS)
    zoo_page.ask(WORDS)
    expect(fox.text).to_contain_text("lazy dog")
    # Each time later in the stream, and nothing waits for a save.
    for _ in range(3):
        before = fox.text.inner_text().strip()
        page.reload()
        fox.expect_status("error")
        expect(fox.error).to_contain_text("The page was closed before the answer ended")
        assert fox.text.inner_text().startswith(before)
        expect(sessions(page)).to_have_count(1)
        fox.root.get_by_test_id("retry").click()
        fox.expect_status("streaming")
        fox.expect_text()
    assert zoo_page.complaints_of_the_page() == []


def test_two_tabs_keep_each_their_own(zoo_page: ZooPage, start_zoo: Callable[..., Hub]) -> None:
    page = zoo_page.page
    url = start_zoo("Fox").url
    page.goto(url)
    zoo_page.pane("Fox").set(rate="50", repeat=ENDLESS)
    zoo_page.ask(WORDS)
    zoo_page.pane("Fox").expect_text()
    eventually(lambda: page.evaluate(TITLES) == [WORDS[:59] + "…"], "the first tab's session kept")

    other = ZooPage(page.context.new_page())
    other.page.goto(url)
    other.ask("of the other tab")
    other.pane("Fox").expect_status("done")
    # While the first tab goes on with it, and so writes it again and again.
    session(other.page, WORDS[:59] + "…").get_by_role("button").first.click()
    expect(other.pane("Fox").error).to_contain_text("The page was closed")
    zoo_page.pane("Fox").stop()
    zoo_page.pane("Fox").expect_status("stopped")
    zoo_page.ask("more of the first")
    expect(zoo_page.pane("Fox").root.get_by_test_id("turn")).to_have_count(2)
    zoo_page.pane("Fox").stop()
    page.reload()
    other.pane("Fox").set(repeat="1")
    other.ask("more of the second")
    expect(other.page.get_by_test_id("forked")).to_be_visible()
    other.pane("Fox").expect_status("done")

    other.page.reload()
    expect(other.pane("Fox").text).to_have_text("more of the second")
    page.reload()
    prompts = zoo_page.pane("Fox").root.get_by_test_id("prompt")
    expect(prompts.last).to_contain_text("more of the first")
    # The first one's, the other's own, and the copy.
    expect(sessions(page)).to_have_count(3)


def set_up(zoo: ZooPage) -> None:
    """Two panes with settings and a system prompt of their own, in rows."""
    for name in ("Fox", "Owl"):
        expect(zoo.card(name)).to_have_attribute("data-state", "ready")
    zoo.pane("Fox").set(repeat="3")
    owl = zoo.pane("Owl").root
    owl.get_by_test_id("settings-open").click()
    owl.get_by_label("System prompt").fill("请简短回答 & be kind")
    owl.get_by_test_id("settings-close").click()
    zoo.page.get_by_role("button", name="Rows", exact=True).click()


def expect_set_up(zoo: ZooPage) -> None:
    expect(zoo.page.get_by_role("button", name="Rows", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    panes = zoo.page.get_by_test_id("pane")
    expect(panes).to_have_count(2)
    for pane, name in zip(panes.all(), ("Fox", "Owl"), strict=True):
        expect(pane).to_have_attribute("aria-label", name)
    owl = zoo.pane("Owl").root
    owl.get_by_test_id("settings-open").click()
    expect(owl.get_by_label("System prompt")).to_have_value("请简短回答 & be kind")
    owl.get_by_test_id("settings-close").click()
    fox = zoo.pane("Fox").root
    fox.get_by_test_id("settings-open").click()
    expect(fox.locator("[data-setting=repeat] input[type=number]")).to_have_value("3")
    fox.get_by_test_id("settings-close").click()


def test_presets(
    zoo_page: ZooPage,
    start_zoo: Callable[..., Hub],
    static_page: str,
    tmp_path: Path,
    new_context: Callable[..., Any],
) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox", "Owl").url)
    set_up(zoo_page)
    page.get_by_test_id("save-preset").click()
    expect(page.get_by_test_id("rename")).to_be_focused()
    expect(page.get_by_test_id("rename")).to_have_value("Fox · Owl")
    page.keyboard.type("Night")
    page.keyboard.press("Enter")
    preset = page.get_by_test_id("preset")
    expect(preset).to_contain_text("Night")
    assert zoo_page.serious_violations() == []

    page.get_by_role("button", name="Columns", exact=True).click()
    zoo_page.ask("hello")
    zoo_page.pane("Fox").expect_status("done")
    page.reload()
    preset.get_by_role("button").first.click()
    expect(page.get_by_test_id("turn")).to_have_count(0)
    expect(sessions(page)).to_have_count(1)
    expect_set_up(zoo_page)

    choose(page, preset, "Delete")
    expect(preset).to_have_count(0)
    expect(page.get_by_test_id("undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(preset).to_have_count(1)

    menu_of_all(page, "presets")
    with page.expect_download() as waiting:
        page.get_by_role("menuitem", name="Export all as JSON", exact=True).click()
    path = tmp_path / "presets.json"
    waiting.value.save_as(path)
    # A page that knows no worker: the preset brings them.
    other = ZooPage(new_context().new_page())
    other.page.goto(static_page)
    import_file(other.page, path, "presets")
    other.page.get_by_test_id("preset").get_by_role("button").first.click()
    expect(other.page.get_by_test_id("worker-card")).to_have_count(2)
    for name in ("Fox", "Owl"):
        expect(other.card(name)).to_be_visible()
    expect(other.page.get_by_test_id("pane")).to_have_count(2)
    assert zoo_page.complaints == []


def test_a_link_opens_the_same_comparison(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub], new_context: Callable[..., Any]
) -> None:
    page = zoo_page.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(start_zoo("Fox", "Owl").url)
    set_up(zoo_page)
    page.get_by_label("Prompt", exact=True).fill("a=b & 你好")
    page.get_by_test_id("copy-link").click()
    expect(page.get_by_test_id("live")).to_contain_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")

    other = ZooPage(new_context().new_page())
    other.page.goto(link)
    expect(other.page.get_by_label("Prompt", exact=True)).to_have_value("a=b & 你好")
    for name in ("Fox", "Owl"):
        expect(other.card(name)).to_have_attribute("data-state", "ready")
    expect_set_up(other)
    # Filled in, not sent.
    expect(other.page.get_by_test_id("turn")).to_have_count(0)
    assert "?" not in other.page.url
    other.page.get_by_label("Prompt", exact=True).press("Enter")
    for name in ("Fox", "Owl"):
        other.pane(name).expect_status("done")
    assert other.complaints == []
    assert zoo_page.serious_violations() == []
