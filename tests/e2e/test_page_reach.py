"""The page for everybody: keyboard, input methods, screen readers, languages, themes, phones."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import ZooPage
from tests.server.hub.conftest import Hub
from tests.support import eventually

pytestmark = pytest.mark.browser

ENDLESS = "5000"
MARKDOWN = """- one
- *two*

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1  # one
```

"""
Start = Callable[..., Hub]


def focus_on(page: Page) -> str:
    """What has the focus, in a word: its pane and what it is there."""
    found: str = page.evaluate(
        """() => {
          const at = document.activeElement
          const pane = at.closest('[data-pane-id]')?.getAttribute('aria-label') ?? ''
          const what = at.dataset.testid ?? at.id
          return `${pane} ${'paneBody' in at.dataset ? 'body' : what}`.trim()
        }"""
    )
    return found


def expect_focus(page: Page, what: str) -> None:
    eventually(lambda: focus_on(page) == what, f"the focus on {what}, not {focus_on(page)}")


def turns(zoo_page: ZooPage, name: str) -> Locator:
    return zoo_page.pane(name).root.get_by_test_id("turn")


def test_every_shortcut_does_what_the_list_says(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox", "Owl").url)
    fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
    panes = page.get_by_test_id("pane")
    live = page.get_by_test_id("live")
    expect(panes).to_have_count(2)
    expect_focus(page, "prompt")

    page.keyboard.press("Alt+Shift+J")
    expect_focus(page, "Fox body")
    page.keyboard.press("?")
    dialog = page.get_by_test_id("shortcuts")
    rows = dialog.locator("[data-shortcut]")
    expect(rows).not_to_have_count(0)
    listed: dict[str, list[str]] = rows.evaluate_all(
        """rows => Object.fromEntries(rows.map((row) => [
          row.dataset.shortcut,
          [...row.querySelectorAll('kbd')].map((key) => key.textContent),
        ]))"""
    )
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect_focus(page, "Fox body")
    names = {"←": "ArrowLeft", "→": "ArrowRight", "Esc": "Escape"}
    tried = {"help", "send", "line", "resize", "resetSize"}

    def press(shortcut: str) -> None:
        tried.add(shortcut)
        page.keyboard.press("+".join(names.get(key, key) for key in listed[shortcut]))

    press("next")
    expect_focus(page, "Owl body")
    press("previous")
    expect_focus(page, "Fox body")
    press("prompt")
    expect_focus(page, "prompt")
    # In a text field it is a character.
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()
    expect(page.locator("#prompt")).to_have_value("?")

    press("settings")
    settings = fox.root.get_by_test_id("settings")
    expect(settings).to_be_visible()
    settings.locator("[data-setting=rate] input[type=number]").fill("20")
    settings.locator("[data-setting=repeat] input[type=number]").fill(ENDLESS)
    page.keyboard.press("Escape")
    expect(settings).to_be_hidden()
    expect_focus(page, "prompt")

    zoo_page.ask("hello")
    fox.expect_status("streaming")
    owl.expect_status("done")
    press("stop")
    fox.expect_status("stopped")
    press("regenerate")
    fox.expect_status("streaming")
    expect(fox.root.get_by_test_id("progress")).to_be_visible()
    press("stopAll")
    fox.expect_status("stopped")
    press("regenerateAll")
    fox.expect_status("streaming")
    owl.expect_status("done")
    expect(owl.root.get_by_test_id("version")).to_have_text("2/2")
    # While one answers nothing is taken back.
    press("undo")
    expect(turns(zoo_page, "Owl")).to_have_count(1)
    press("stopAll")
    fox.expect_status("stopped")
    press("undo")
    expect(turns(zoo_page, "Owl")).to_have_count(0)
    expect(page.locator("#prompt")).to_have_value("hello")
    expect_focus(page, "prompt")

    press("mute")
    expect(live).to_contain_text("Fox muted")
    press("mute")
    expect(live).to_contain_text("Fox no longer muted")
    press("right")
    expect(live).to_contain_text("Fox is now pane 2 of 2")
    press("left")
    expect(live).to_contain_text("Fox is now pane 1 of 2")
    press("maximise")
    expect(panes).to_have_count(1)
    press("maximise")
    expect(panes).to_have_count(2)
    press("layout")
    expect(page.get_by_role("button", name="Rows")).to_have_attribute("aria-pressed", "true")
    press("sync")
    sync = page.get_by_role("button", name="Scroll together")
    expect(sync).to_have_attribute("aria-pressed", "true")
    workers = page.get_by_role("heading", name="Workers", exact=True)
    page.get_by_test_id("new-session").focus()
    press("sidebar")
    expect(workers).to_be_hidden()
    expect_focus(page, "sidebar")
    press("sidebar")
    expect(workers).to_be_visible()

    press("duplicate")
    expect(panes).to_have_count(3)
    expect_focus(page, "Fox #2 body")
    press("close")
    expect(panes).to_have_count(2)
    expect_focus(page, "Owl body")

    zoo_page.pane("Fox").set(rate="0", repeat="1")
    zoo_page.ask("a session")
    fox.expect_status("done")
    press("newSession")
    expect(turns(zoo_page, "Fox")).to_have_count(0)
    expect_focus(page, "prompt")

    page.context.set_offline(True)
    zoo_page.ask("nobody hears")
    fox.expect_status("error")
    page.context.set_offline(False)
    press("retryFailed")
    for pane in (fox, owl):
        pane.expect_status("done")
    assert tried == set(listed)

    # Who needs the keys for something else turns them off; the list stays within reach.
    page.get_by_test_id("shortcuts-open").click()
    dialog.get_by_test_id("shortcuts-on").uncheck()
    page.keyboard.press("Escape")
    expect_focus(page, "shortcuts-open")
    press("prompt")
    press("close")
    expect(panes).to_have_count(2)
    expect_focus(page, "shortcuts-open")
    assert zoo_page.complaints_of_the_page() == []


def test_the_focus_returns_after_dialogs(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox").url)
    add = page.get_by_test_id("add-worker")
    add.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("worker-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(add).to_be_focused()

    # By way of a menu: to the menu's button.
    button = zoo_page.card("Fox").get_by_role("button", name="Actions for Fox")
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Edit")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("worker-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()

    settings = zoo_page.pane("Fox").root.get_by_test_id("settings-open")
    settings.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(settings).to_be_focused()


def test_a_menu_of_the_sidebar_lies_over_the_panes(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox").url)
    expect(page.get_by_test_id("pane")).to_have_count(1)
    zoo_page.card("Fox").get_by_role("button", name="Actions for Fox").click()
    lies_over = page.get_by_role("menu").evaluate(
        """menu => {
          menu.style.minWidth = '480px' // as words of another language may
          const { right, bottom } = menu.getBoundingClientRect()
          const there = document.elementsFromPoint(right - 8, bottom - 8)
          const parts = there.map((element) => element.closest('[role=menu], [data-testid=pane]'))
          return [...new Set(parts)].map((part) => part?.getAttribute('role') ?? part?.localName)
        }"""
    )
    assert lies_over[:2] == ["menu", "section"]


def test_an_input_method_keeps_its_enter(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox").url)
    expect(page.get_by_test_id("pane")).to_have_count(1)
    expect_focus(page, "prompt")
    method = page.context.new_cdp_session(page)
    prompt = page.locator("#prompt")
    prompt.evaluate(
        """area => {
          window.heard = []
          for (const type of ['compositionstart', 'compositionend', 'keydown'])
            area.addEventListener(type, (event) =>
              heard.push(event.isComposing ? `${type} composing` : type))
        }"""
    )
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}

    def compose(text: str) -> None:
        at = {"selectionStart": len(text), "selectionEnd": len(text)}
        method.send("Input.imeSetComposition", {"text": text, **at})

    compose("ni")
    compose("nihao")
    # The Enter that takes the letters as they are, and the Escape that closes the candidates.
    method.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    method.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    assert "compositionstart" in page.evaluate("heard")
    assert "keydown composing" in page.evaluate("heard")
    expect(turns(zoo_page, "Fox")).to_have_count(0)
    method.send("Input.insertText", {"text": "你好"})
    assert "compositionend" in page.evaluate("heard")
    expect(prompt).to_have_value("你好")
    expect(turns(zoo_page, "Fox")).to_have_count(0)
    page.keyboard.press("Shift+Enter")
    expect(prompt).to_have_value("你好\n")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    expect(zoo_page.pane("Fox").text).to_have_text("你好")
    expect(prompt).to_have_value("")


def test_a_screen_reader_hears_start_and_end_only(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox", "Owl").url)
    fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
    for pane in (fox, owl):
        pane.set(rate="100", repeat="20")
    # All that a screen reader reads by itself, anywhere on the page.
    page.evaluate(
        """() => {
          const regions = '[aria-live], [role=log], [role=status], [role=alert]'
          window.said = []
          new MutationObserver((changes) => {
            for (const { target, addedNodes } of changes) {
              const at = target.nodeType === 1 ? target : target.parentElement
              for (const node of addedNodes)
                if (at?.closest(regions)) said.push(node.textContent)
                else if (node.nodeType === 1)
                  for (const region of [node, ...node.querySelectorAll('*')])
                    if (region.matches(regions)) said.push(region.textContent)
              if (!addedNodes.length && at?.closest(regions)) said.push(target.textContent)
            }
          }).observe(document.body, { subtree: true, childList: true, characterData: true })
        }"""
    )
    zoo_page.ask("Not a word of this is read while it arrives.")
    for pane in (fox, owl):
        pane.expect_text()
        expect(pane.root.get_by_test_id("answer")).to_have_attribute("aria-busy", "true")
    for pane in (fox, owl):
        pane.expect_status("done")
        expect(pane.root.get_by_test_id("answer")).to_have_attribute("aria-busy", "false")
    expect(page.get_by_test_id("live")).to_contain_text("Owl has finished")
    said = [text.strip() for text in page.evaluate("said") if text.strip()]
    assert sorted(said) == [
        "Fox has finished",
        "Fox is answering",
        "Owl has finished",
        "Owl is answering",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing(zoo_page: ZooPage, start_zoo: Start, theme: str, width: int) -> None:
    page = zoo_page.page
    page.set_viewport_size({"width": width, "height": 780})
    hub = start_zoo("Fox", "Owl")
    page.add_init_script(f"localStorage.setItem('chatzoo.theme', '\"{theme}\"')")
    page.goto(hub.url)
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    fox = zoo_page.pane("Fox")
    expect(page.get_by_test_id("pane")).to_have_count(2)
    assert zoo_page.violations() == []
    fox.root.get_by_test_id("settings-open").click()
    expect(fox.root.get_by_test_id("settings")).to_be_visible()
    assert zoo_page.violations() == []
    page.keyboard.press("Escape")
    fox.set(rate="20", repeat=ENDLESS)
    zoo_page.ask(MARKDOWN)
    fox.expect_status("streaming")
    fox.expect_text()
    zoo_page.pane("Owl").expect_status("done")
    assert zoo_page.violations() == []
    page.keyboard.press("Escape")
    fox.expect_status("stopped")
    fox.open_menu()
    assert zoo_page.violations() == []
    page.keyboard.press("Escape")
    page.get_by_test_id("clear-all").focus()
    page.keyboard.press("?")
    expect(page.get_by_test_id("shortcuts")).to_be_visible()
    assert zoo_page.violations() == []
    page.keyboard.press("Escape")
    if width < 900:
        page.get_by_test_id("menu").click()
        expect(page.get_by_role("heading", name="Workers", exact=True)).to_be_visible()
        assert zoo_page.violations() == []
        page.get_by_test_id("shortcuts-open").click()
        expect(page.get_by_test_id("shortcuts")).to_be_visible()
        assert zoo_page.violations() == []
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("shortcuts-open")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("menu")).to_be_focused()
    assert zoo_page.complaints == []


def test_language_and_theme(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox").url)
    html = page.locator("html")
    expect(zoo_page.pane("Fox").root).to_be_visible()
    page.get_by_test_id("language").select_option("zh-CN")
    expect(html).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("button", name="新会话")).to_be_visible()
    zoo_page.pane("Fox").root.get_by_test_id("settings-open").click()
    page.get_by_test_id("shortcuts-open").click()
    dialog = page.get_by_test_id("shortcuts")
    expect(dialog).to_contain_text("键盘快捷键")
    # Names of keys, and of a worker and its settings, are theirs; nothing else is English.
    assert not re.search(r"[A-Za-z]{4,}", page.locator(".bar").inner_text())
    assert not re.search(r"[a-z]{4,} [a-z]{3,}", dialog.inner_text())
    page.keyboard.press("Escape")

    def background() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = background()
    page.get_by_test_id("theme-dark").click()
    dark = background()
    assert light != dark
    page.reload()
    expect(html).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="新会话")).to_be_visible()
    assert background() == dark
    page.get_by_test_id("theme-system").click()
    assert background() == light
    page.emulate_media(color_scheme="dark")
    assert background() == dark
    assert zoo_page.complaints == []
