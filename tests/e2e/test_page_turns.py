"""What a conversation is made of: versions, edited prompts, undo, one pane's answer for all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Pane, ZooPage
from tests.server.hub.conftest import Hub

pytestmark = pytest.mark.browser

RECALL = f"{Path(__file__).with_name('recall_bot.py')}:RecallBot"


def recalling(name: str) -> dict[str, str]:
    return {"name": name, "bot": RECALL}


def opened(zoo_page: ZooPage, start_zoo: Callable[..., Hub], *names: str) -> list[Pane]:
    """A page with a pane for each of these bots, which say what they were told."""
    hub = start_zoo(*map(recalling, names))
    zoo_page.page.goto(hub.url)
    return [zoo_page.pane(name) for name in names]


def tell(zoo_page: ZooPage, pane: Pane, target: str, prompt: str) -> None:
    """Send a prompt to one pane, and wait for the answer."""
    zoo_page.page.get_by_test_id("target").select_option(label=target)
    zoo_page.ask(prompt)
    pane.expect_status("done")


def test_four_panes_told_four_secrets_keep_their_own(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    names = ["Fox", "Owl", "Bear", "Hare"]
    panes = opened(zoo_page, start_zoo, *names)
    for name, pane in zip(names, panes, strict=True):
        tell(zoo_page, pane, name, f"the secret of {name}")
    zoo_page.page.get_by_test_id("target").select_option(index=0)
    zoo_page.ask("say it")
    for name, pane in zip(names, panes, strict=True):
        expect(pane.text).to_contain_text("user: say it")
        pane.expect_status("done")
        expect(pane.text).to_contain_text(f"the secret of {name}")
        for other in names:
            if other != name:
                expect(pane.text).not_to_contain_text(f"the secret of {other}")
    assert zoo_page.complaints == []


def test_versions_of_an_answer(zoo_page: ZooPage, start_zoo: Callable[..., Hub]) -> None:
    """Each attempt is kept, and the conversation goes on from the one that is shown."""
    (fox,) = opened(zoo_page, start_zoo, "Fox")
    zoo_page.ask("one")
    fox.expect_status("done")
    fox.set(repeat="2")
    fox.regenerate()
    version = fox.root.get_by_test_id("version")
    expect(version).to_have_text("2/2")
    fox.expect_status("done")
    expect(fox.text).to_have_text("user: oneuser: one")
    fox.root.get_by_test_id("earlier").click()
    expect(version).to_have_text("1/2")
    expect(fox.text).to_have_text("user: one")
    expect(fox.root.get_by_test_id("earlier")).to_be_disabled()
    fox.set(repeat="1")
    zoo_page.ask("two")
    fox.expect_status("done")
    expect(fox.text.locator("p")).to_have_text(["user: one", "assistant: user: one", "user: two"])
    assert zoo_page.serious_violations() == []
    assert zoo_page.complaints == []


def test_a_regenerated_answer_that_fails_leaves_the_one_before(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    (fox,) = opened(zoo_page, start_zoo, "Fox")
    zoo_page.ask("one")
    fox.expect_status("done")
    zoo_page.page.route("**/generate", lambda route: route.abort())
    fox.regenerate()
    fox.expect_status("error")
    expect(fox.text).to_have_text("user: one")
    expect(fox.root.locator("[data-metric=tokens]")).to_be_visible()
    expect(fox.root.get_by_test_id("version")).to_have_count(0)
    zoo_page.page.unroute("**/generate")
    zoo_page.page.get_by_test_id("retry-failed").click()
    fox.expect_status("done")
    expect(fox.root.get_by_test_id("version")).to_have_text("2/2")


def test_a_prompt_is_edited_in_one_pane_or_in_all(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    fox, owl = opened(zoo_page, start_zoo, "Fox", "Owl")
    for prompt in ("one", "two"):
        zoo_page.ask(prompt)
        for pane in (fox, owl):
            expect(pane.text).to_contain_text(f"user: {prompt}")
            pane.expect_status("done")
    fox.edit("one", "eins")
    expect(fox.root.get_by_test_id("turn")).to_have_count(1)
    expect(fox.text).to_have_text("user: eins")
    fox.expect_status("done")
    expect(owl.root.get_by_test_id("turn")).to_have_count(2)
    # What was taken away comes back.
    fox.choose("Bring removed turns back")
    expect(fox.root.get_by_test_id("turn")).to_have_count(2)
    fox.edit("two", "zwei", everywhere=True)
    for pane in (fox, owl):
        expect(pane.root.get_by_test_id("prompt")).to_have_text(["You:one", "You:zwei"])
        expect(pane.text).to_contain_text("user: zwei")
        expect(pane.text).not_to_contain_text("two")
        pane.expect_status("done")
    assert zoo_page.serious_violations() == []
    assert zoo_page.complaints == []


def test_a_turn_is_taken_back_in_all_panes(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    fox, owl = opened(zoo_page, start_zoo, "Fox", "Owl")
    zoo_page.ask("one")
    for pane in (fox, owl):
        pane.expect_status("done")
    tell(zoo_page, owl, "Owl", "only for the owl")
    undo = zoo_page.page.get_by_test_id("undo-all")
    undo.click()
    expect(owl.root.get_by_test_id("turn")).to_have_count(1)
    expect(fox.root.get_by_test_id("turn")).to_have_count(1)
    prompt = zoo_page.page.get_by_label("Prompt", exact=True)
    expect(prompt).to_have_value("only for the owl")
    expect(prompt).to_be_focused()
    undo.click()
    for pane in (fox, owl):
        expect(pane.root.get_by_test_id("turn")).to_have_count(0)
    expect(prompt).to_have_value("only for the owl")


def test_all_panes_go_on_from_one_answer(zoo_page: ZooPage, start_zoo: Callable[..., Hub]) -> None:
    fox, owl = opened(zoo_page, start_zoo, "Fox", "Owl")
    tell(zoo_page, fox, "Fox", "the secret")
    tell(zoo_page, fox, "Fox", "more")
    tell(zoo_page, owl, "Owl", "mine")
    fox.root.get_by_role("button", name="More about this answer").first.click()
    zoo_page.page.get_by_role("menuitem", name="Continue all panes from here").click()
    for pane in (fox, owl):
        expect(pane.root.get_by_test_id("prompt")).to_have_text(["You:the secret"])
    zoo_page.page.get_by_test_id("target").select_option(index=0)
    zoo_page.ask("go on")
    for pane in (fox, owl):
        expect(pane.text).to_contain_text("user: go on")
        expect(pane.text).to_contain_text("user: the secret")
        expect(pane.text).not_to_contain_text("mine")
        pane.expect_status("done")
    assert zoo_page.complaints == []


def test_each_pane_has_a_system_text_of_its_own(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    fox, owl = opened(zoo_page, start_zoo, "Fox", "Owl")
    for name, pane in (("fox", fox), ("owl", owl)):
        pane.root.get_by_test_id("settings-open").click()
        pane.root.get_by_label("System prompt").fill(f"You are a {name}.")
        pane.root.get_by_test_id("settings-close").click()
    zoo_page.ask("who?")
    for name, pane in (("fox", fox), ("owl", owl)):
        pane.expect_status("done")
        expect(pane.text.locator("p")).to_have_text([f"system: You are a {name}.", "user: who?"])
