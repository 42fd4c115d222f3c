"""Panes in the browser: their sizes, their order, their number, and how they scroll together."""

from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import Pane, ZooPage
from tests.server.hub.conftest import Hub
from tests.support import eventually

pytestmark = pytest.mark.browser

LONG = "\n\n".join(f"Paragraph {n} of a long answer." for n in range(40))
ENDLESS = "5000"
Start = Callable[..., Hub]


def width(pane: Pane) -> float:
    return box(pane.root)["width"]


def box(element: Locator) -> dict[str, float]:
    found = element.bounding_box()
    assert found is not None
    x, y, width, height = found["x"], found["y"], found["width"], found["height"]
    return {"x": x, "y": y, "width": width, "height": height}


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*((a + b) / 2 for a, b in zip(start, end, strict=True)))
    page.mouse.move(*end)
    page.mouse.up()


def names(page: Page) -> list[str]:
    found: list[str] = page.get_by_test_id("pane").evaluate_all(
        "panes => panes.map((pane) => pane.getAttribute('aria-label'))"
    )
    return found


def body(pane: Pane) -> Locator:
    return pane.root.locator("[data-pane-body]")


def top(pane: Pane) -> float:
    return float(body(pane).evaluate("body => body.scrollTop"))


def is_below(pane: Pane) -> bool:
    return top(pane) > 400


def to_end(pane: Pane) -> float:
    """How far a pane's text is from its end."""
    return float(body(pane).evaluate("b => b.scrollHeight - b.clientHeight - b.scrollTop"))


def test_a_border_is_pulled_pushed_and_put_back(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox", "Owl").url)
    fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
    divider = page.get_by_role("separator", name="Border between Fox and Owl")
    equal = width(fox)
    assert abs(equal - width(owl)) < 2

    at = box(divider)
    start = (at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    drag(page, start, (start[0] + 120, start[1]))
    assert abs(width(fox) - equal - 120) < 4
    assert abs(width(fox) + width(owl) - 2 * equal) < 2
    assert divider.get_attribute("aria-valuenow") == str(round(50 * width(fox) / equal))

    divider.focus()
    page.keyboard.press("ArrowLeft")
    assert abs(width(fox) - equal - 120 + 0.1 * equal) < 4
    resized = width(fox)
    # As far as it goes, and then no further.
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert 155 < width(owl) < 165
    page.keyboard.press("Home")
    assert abs(width(fox) - equal) < 2
    drag(page, start, (start[0] + (resized - equal), start[1]))
    zoo_page.ask("Remember this.")
    fox.expect_status("done")
    expect(page.get_by_test_id("session")).to_have_count(1)
    page.reload()
    expect(fox.text).to_be_visible()
    assert abs(width(fox) - resized) < 4
    divider.dblclick()
    assert abs(width(fox) - equal) < 2

    page.get_by_role("button", name="Rows").click()
    expect(divider).to_have_attribute("aria-orientation", "horizontal")
    high = box(fox.root)["height"]
    divider.focus()
    page.keyboard.press("ArrowDown")
    assert box(fox.root)["height"] > high + 10
    assert zoo_page.violations() == []


def test_the_same_worker_twice_and_a_muted_pane(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox").url)
    zoo_page.pane("Fox").set(repeat="2")
    zoo_page.pane("Fox").open_menu()
    page.get_by_role("menuitem", name="Duplicate").click()
    first, second = zoo_page.pane("Fox #1"), zoo_page.pane("Fox #2")
    expect(body(second)).to_be_focused()
    second.set(repeat="3")
    zoo_page.ask("ab")
    for pane, text in ((first, "abab"), (second, "ababab")):
        pane.expect_status("done")
        expect(pane.text).to_have_text(text)

    second.open_menu()
    page.get_by_role("menuitem", name="Mute", exact=True).click()
    expect(second.root).to_contain_text("muted")
    zoo_page.ask("cd")
    expect(first.root.get_by_test_id("turn")).to_have_count(2)
    first.expect_status("done")
    expect(second.root.get_by_test_id("turn")).to_have_count(1)
    # By itself it still answers.
    page.get_by_test_id("target").select_option(label="Fox #2")
    zoo_page.ask("ef")
    expect(second.text).to_have_text("efefef")
    second.open_menu()
    page.get_by_role("menuitem", name="Unmute").click()
    expect(second.root).not_to_contain_text("muted")


# Notes the heights of the first turn and of the parts of its answer, frame by frame.
HEIGHTS = """
(turn) => {
  const all = [turn, ...turn.querySelectorAll(".part")];
  window.heights = all.map(() => new Set());
  (function note() {
    all.forEach((one, n) => heights[n].add(Math.round(one.getBoundingClientRect().height)));
    requestAnimationFrame(note);
  })();
}
"""


@pytest.mark.parametrize("paragraphs", [2, 60])
def test_a_turn_keeps_its_height_when_the_next_one_comes(
    paragraphs: int, zoo_page: ZooPage, start_zoo: Start
) -> None:
    """Or its reader would lose the end, and see it jump."""
    page = zoo_page.page
    page.goto(start_zoo("Fox").url)
    fox = zoo_page.pane("Fox")
    fox.set(rate="200")
    texts = ("word " * (1 + n % 7) ** 2 for n in range(paragraphs))
    zoo_page.ask("\n\n".join(texts))
    fox.expect_status("done", 60)
    fox.root.get_by_test_id("turn").evaluate(HEIGHTS)
    for number in range(2):
        zoo_page.ask("one two three four five " * 4)
        expect(fox.root.get_by_test_id("turn")).to_have_count(number + 2)
        fox.expect_status("done")
        eventually(lambda: to_end(fox) <= 1, "the end")
        expect(fox.root.get_by_role("button", name="Latest")).to_be_hidden()
    heights: list[list[int]] = page.evaluate("heights.map((seen) => [...seen])")
    assert all(max(seen) - min(seen) <= 1 for seen in heights), heights


def test_a_deleted_prompt_leaves_the_panes_at_their_end(
    zoo_page: ZooPage, start_zoo: Start
) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox").url)
    fox = zoo_page.pane("Fox")
    zoo_page.ask("\n\n".join(["some words"] * 60))
    fox.expect_status("done")
    eventually(lambda: to_end(fox) <= 1 and is_below(fox), "the end")
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("some words")
    prompt.fill("")
    page.evaluate("new Promise((ok) => requestAnimationFrame(() => requestAnimationFrame(ok)))")
    assert to_end(fox) <= 1
    expect(fox.root.get_by_role("button", name="Latest")).to_be_hidden()


def test_panes_change_places_by_mouse_and_keys(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox", "Owl", "Bee").url)
    fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
    zoo_page.ask(LONG)
    for name in ("Fox", "Owl", "Bee"):
        zoo_page.pane(name).expect_status("done")
    body(fox).hover()
    page.mouse.wheel(0, -300)
    eventually(lambda: to_end(fox) > 200, "a place in the middle")
    place = top(fox)

    def onto(pane: Pane) -> tuple[float, float]:
        at = box(pane.root)
        return at["x"] + at["width"] * 0.5, at["y"] + 46

    drag(page, onto(fox), onto(owl))
    expect(page.get_by_test_id("pane").first).to_have_attribute("aria-label", "Owl")
    assert names(page) == ["Owl", "Fox", "Bee"]
    assert top(fox) == place
    expect(page.get_by_test_id("live")).to_contain_text("Fox is now pane 2 of 3")

    # Escape lets go of it, and stops no answer.
    owl.set(repeat=ENDLESS, rate="20")
    zoo_page.ask("again")
    owl.expect_status("streaming")
    page.mouse.move(*onto(fox))
    page.mouse.down()
    page.mouse.move(*onto(owl), steps=3)
    page.keyboard.press("Escape")
    page.mouse.up()
    assert names(page) == ["Owl", "Fox", "Bee"]
    owl.expect_status("streaming")

    body(fox).focus()
    page.keyboard.press("Alt+Shift+ArrowRight")
    expect(page.get_by_test_id("pane").last).to_have_attribute("aria-label", "Fox")
    expect(body(fox)).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Alt+Shift+ArrowLeft")
        expect(body(fox)).to_be_focused()
    expect(page.get_by_test_id("pane").first).to_have_attribute("aria-label", "Fox")
    fox.open_menu()
    page.get_by_role("menuitem", name="Move right").click()
    expect(page.get_by_test_id("pane").first).to_have_attribute("aria-label", "Owl")
    expect(fox.root.get_by_role("button", name="Actions for the pane")).to_be_focused()
    page.keyboard.press("Escape")
    owl.expect_status("stopped")


def test_panes_scroll_together_while_they_grow(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox", "Owl").url)
    fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
    for pane in (fox, owl):
        pane.set(repeat=ENDLESS, rate="40")
    page.get_by_role("button", name="Scroll together").click()
    zoo_page.ask(LONG * 4)
    for pane in (fox, owl):
        eventually(partial(is_below, pane), "a text that has to be followed")

    body(fox).focus()
    page.keyboard.press("Home")
    eventually(lambda: (top(fox), top(owl)) == (0, 0), "both at the start")
    # Neither is pulled to the end by what arrives.
    length = len(fox.text.inner_text())
    eventually(lambda: len(fox.text.inner_text()) > length + 200, "more text")
    assert (top(fox), top(owl)) == (0, 0)

    body(owl).focus()
    page.keyboard.press("PageDown")
    eventually(lambda: top(owl) > 0 and top(fox) > 0, "the other one follows")
    owl.root.get_by_role("button", name="Latest").click()
    eventually(lambda: to_end(owl) < 40 and to_end(fox) < 40, "both at the end")
    length = len(fox.text.inner_text())
    eventually(lambda: len(fox.text.inner_text()) > length + 200, "more text")
    eventually(lambda: to_end(owl) < 40 and to_end(fox) < 40, "both still at the end")
    page.keyboard.press("Escape")
    assert zoo_page.complaints == []


def test_twelve_panes(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox").url)
    expect(page.get_by_test_id("pane")).to_have_count(1)
    for _ in range(11):
        zoo_page.card("Fox").get_by_test_id("open-pane").click()
    panes = page.get_by_test_id("pane")
    expect(panes).to_have_count(12)
    expect(zoo_page.card("Fox").get_by_test_id("open-pane")).to_be_disabled()
    zoo_page.ask("Twelve at once.")
    for n in range(1, 13):
        pane = zoo_page.pane(f"Fox #{n}")
        pane.expect_status("done")
        at = box(pane.root)
        assert at["width"] >= 299
        assert at["height"] >= 240
    zoo_page.pane("Fox #12").root.scroll_into_view_if_needed()
    expect(zoo_page.pane("Fox #12").text).to_be_in_viewport()

    page.keyboard.press("Alt+Shift+K")
    expect(body(zoo_page.pane("Fox #1"))).to_be_focused()
    page.keyboard.press("Alt+Shift+K")
    last = zoo_page.pane("Fox #12")
    expect(body(last)).to_be_focused()
    expect(last.text).to_be_in_viewport()
    page.keyboard.press("Alt+Shift+M")
    expect(panes).to_have_count(1)
    assert width(last) > 900
    page.keyboard.press("Alt+Shift+J")
    expect(body(zoo_page.pane("Fox #1"))).to_be_focused()
    expect(panes).to_have_count(1)
    page.keyboard.press("Alt+Shift+M")
    expect(panes).to_have_count(12)
    # Without the sidebar there is room for one more column.
    page.keyboard.press("Alt+Shift+L")
    expect(page.get_by_role("heading", name="Workers", exact=True)).to_be_hidden()
    assert box(zoo_page.pane("Fox #4").root)["y"] == box(zoo_page.pane("Fox #1").root)["y"]
    assert zoo_page.complaints == []


def test_two_panes_on_a_phone(zoo_page: ZooPage, start_zoo: Start) -> None:
    page = zoo_page.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(start_zoo("Fox", "Owl").url)
    fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
    zoo_page.ask(LONG)
    for pane in (fox, owl):
        pane.expect_status("done")
    assert width(fox) == width(owl) == 344
    assert box(fox.root)["height"] > 480
    pager = page.get_by_test_id("pager")
    here = pager.locator("[aria-current]")
    expect(here).to_have_text("Fox")
    expect(owl.root).not_to_be_in_viewport(ratio=0.2)

    pager.get_by_role("button", name="Owl").click()
    expect(here).to_have_text("Owl")
    expect(owl.root).to_be_in_viewport(ratio=0.99)
    body(owl).hover()
    page.mouse.wheel(-300, 0)
    expect(here).to_have_text("Fox")
    expect(fox.root).to_be_in_viewport(ratio=0.99)
    page.keyboard.press("Alt+Shift+J")
    page.keyboard.press("Alt+Shift+J")
    expect(here).to_have_text("Owl")
    # Nothing sticks out of the page.
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert zoo_page.complaints == []
