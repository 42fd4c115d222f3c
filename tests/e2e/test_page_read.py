"""Reading and measuring: differences, the exact prompt, copies, the figures of all panes."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, expect
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from tests.e2e.browser import Pane, ZooPage
from tests.server.hub.conftest import Hub
from tests.support import running_worker

pytestmark = pytest.mark.browser

PROMPT = "The red fox likes 苹果。"


def choose(pane: Pane, action: str) -> None:
    """One of the actions on the pane's newest answer, by keyboard."""
    page = pane.root.page
    pane.root.get_by_test_id("turn-menu").last.focus()
    page.keyboard.press("Enter")
    entry = page.get_by_role("menuitem", name=action)
    entry.focus()
    page.keyboard.press("Enter")


def mark(pane: Pane) -> Locator:
    """What the newest answer's mark says."""
    return pane.root.get_by_test_id("turn").last.get_by_test_id("mark")


def options(field: Locator) -> list[str]:
    """What can be chosen."""
    return [text.strip() for text in field.locator("option").all_inner_texts()]


def test_answers_are_compared_word_by_word(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox", "Owl").url)
    fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
    zoo_page.ask(PROMPT)
    for pane in (fox, owl):
        expect(mark(pane)).to_contain_text("same")

    owl.set(repeat="2")
    zoo_page.ask(PROMPT)
    for pane in (fox, owl):
        expect(mark(pane)).to_contain_text("differs")
        expect(pane.root.get_by_test_id("mark").first).to_contain_text("same")
    assert zoo_page.serious_violations() == []

    mark(fox).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_test_id("diff-dialog")
    summary, text = dialog.get_by_test_id("diff-summary"), dialog.get_by_test_id("diff-text")
    expect(dialog.get_by_test_id("diff-from")).to_have_value(re.compile("/0$"))
    expect(summary).to_have_text("Words removed: 0 · added: 6")
    expect(text.locator("ins")).to_contain_text("+The red fox likes 苹果。")
    expect(text.locator("ins")).to_contain_text("[added: ")
    expect(text.locator("del")).to_have_count(0)
    assert zoo_page.serious_violations() == []
    dialog.get_by_role("button", name="Swap the two").click()
    expect(summary).to_have_text("Words removed: 6 · added: 0")
    expect(text.locator("del")).to_contain_text("−The red fox likes 苹果。")
    assert zoo_page.serious_violations() == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(mark(fox)).to_be_focused()

    # Another attempt makes them the same; the earlier one can still be compared.
    fox.set(repeat="2")
    fox.regenerate()
    expect(mark(fox)).to_contain_text("same")
    choose(fox, "Compare word by word")
    assert options(dialog.get_by_test_id("diff-from")) == [
        "Fox, version 1 of 2",
        "Fox, version 2 of 2",
        "Owl",
    ]
    expect(summary).to_have_text("The answers are the same.")
    dialog.get_by_test_id("diff-to").select_option("Fox, version 1 of 2")
    expect(summary).to_have_text("Words removed: 6 · added: 0")
    page.keyboard.press("Escape")
    expect(fox.root.get_by_test_id("turn-menu").last).to_be_focused()
    assert zoo_page.complaints == []


def test_a_mark_waits_until_all_have_ended(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    zoo_page.page.goto(start_zoo("Fox", "Owl").url)
    fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
    owl.set(repeat="5000", rate="20")
    zoo_page.ask(PROMPT)
    fox.expect_status("done")
    owl.expect_text()
    row = zoo_page.page.get_by_test_id("summary-row")
    expect(row.nth(0)).to_contain_text("complete")
    expect(row.nth(1)).to_contain_text("answering")
    expect(mark(fox)).to_have_count(0)
    # Stopped after the first of its repetitions the answer would be the same.
    expect(owl.text).to_contain_text(re.compile("苹果。.*苹果。"))
    owl.stop()
    expect(mark(fox)).to_contain_text("differs")
    expect(row.nth(1)).to_contain_text("stopped")


def shrunk(folder: Path, out: Path) -> Path:
    """A model of one narrow layer with the tokenizer and the template of the one in `folder`."""
    torch.manual_seed(0)  # words without white space that Markdown would lose
    config = AutoConfig.from_pretrained(
        folder, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    config.num_key_value_heads, config.head_dim, config.tie_word_embeddings = 2, 16, False
    AutoModelForCausalLM.from_config(config).save_pretrained(out)
    AutoTokenizer.from_pretrained(folder).save_pretrained(out)
    return out


@pytest.mark.model
def test_the_exact_prompt_of_a_model(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub], builtin_folder: Path, tmp_path: Path
) -> None:
    page = zoo_page.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    model = {"name": "Smol", "pretrained-path": str(shrunk(builtin_folder, tmp_path / "smol"))}
    page.goto(start_zoo(model, alone=True).url)
    smol = zoo_page.pane("Smol")
    smol.set(max_new_tokens="4", temperature="0")
    write_system(smol, "Be brief.")
    zoo_page.ask("Say one.")
    smol.expect_status("done", 60)
    first = smol.text.inner_text()
    # What is set now is not what the first answer was asked with.
    write_system(smol, "Be long.")
    zoo_page.ask("Say <|two|>.")
    expect(smol.root.get_by_test_id("answer")).to_have_count(2)
    smol.expect_status("done", 60)

    choose(smol, "Show the exact prompt")
    dialog = page.get_by_test_id("prompt-dialog")
    text = dialog.get_by_test_id("prompt-text")
    expect(text).to_contain_text("Be long.")
    expect(text).to_contain_text(re.compile(re.escape(first.strip())))
    expect(text.locator("mark", has_text="<|im_start|>")).to_have_count(5)
    expect(text.locator("mark", has_text="<|two|>")).to_have_count(1)
    expect(dialog.get_by_test_id("prompt-count")).to_have_text(re.compile(r"^\d+ tokens$"))
    # The worker counts the same as it did for the answer.
    expect(dialog.locator(".problem")).to_have_count(0)
    assert zoo_page.serious_violations() == []
    dialog.get_by_test_id("prompt-copy").click()
    expect(page.get_by_test_id("live")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == text.text_content()
    assert copied.endswith("<|im_start|>assistant\n")
    page.keyboard.press("Escape")
    expect(smol.root.get_by_test_id("turn-menu").last).to_be_focused()

    smol.root.get_by_test_id("turn-menu").first.click()
    page.get_by_role("menuitem", name="Show the exact prompt").click()
    expect(text).to_contain_text("Be brief.")
    expect(text).not_to_contain_text("two")
    assert zoo_page.complaints == []


def write_system(pane: Pane, text: str) -> None:
    """Fill the pane's system prompt."""
    pane.root.get_by_test_id("settings-open").click()
    pane.root.get_by_label("System prompt").fill(text)
    pane.root.get_by_test_id("settings-close").click()


def test_the_prompt_of_a_worker_that_left(zoo_page: ZooPage, static_page: str) -> None:
    page = zoo_page.page
    with running_worker("--type", "echo", "--name", "Owl", "--allow-origin", static_page) as owl:
        page.goto(f"{static_page}/?worker={owl.url}")
        expect(zoo_page.card("Owl")).to_have_attribute("data-state", "ready")
        zoo_page.ask("a\u202eb")
        zoo_page.pane("Owl").expect_status("done")
        choose(zoo_page.pane("Owl"), "Show the exact prompt")
        dialog = page.get_by_test_id("prompt-dialog")
        expect(dialog.get_by_test_id("prompt-text")).to_have_text("aU+202Eb")
        page.keyboard.press("Escape")
    choose(zoo_page.pane("Owl"), "Show the exact prompt")
    expect(dialog.get_by_test_id("error")).to_contain_text("The worker does not answer.")
    assert zoo_page.serious_violations() == []
    assert zoo_page.complaints_of_the_page() == []


def test_conversations_are_copied(zoo_page: ZooPage, start_zoo: Callable[..., Hub]) -> None:
    page = zoo_page.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(start_zoo("Fox", "Owl").url)
    fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
    owl.set(repeat="2")
    zoo_page.ask("**Hello** there.")
    for pane in (fox, owl):
        pane.expect_status("done")

    def copied(count: int) -> str:
        expect(page.get_by_test_id("live").get_by_text("Copied")).to_have_count(count)
        return str(page.evaluate("navigator.clipboard.readText()"))

    owl.root.get_by_role("button", name="Copy the answer").focus()
    page.keyboard.press("Enter")
    assert copied(1) == "**Hello** there." * 2

    fox.root.get_by_role("button", name="Actions for the pane").focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Copy the conversation").focus()
    page.keyboard.press("Enter")
    of_fox = "# Fox\n\n## You\n\n**Hello** there.\n\n## Fox\n\n**Hello** there.\n"
    assert copied(2) == of_fox

    page.get_by_test_id("copy-all").focus()
    page.keyboard.press("Enter")
    of_all = copied(3)
    assert of_all.startswith("# ")
    assert of_fox.replace("# ", "## ") in of_all
    assert "### Owl\n\n**Hello** there.**Hello** there.\n" in of_all
    assert zoo_page.complaints == []


def test_figures_of_all_panes(zoo_page: ZooPage, start_zoo: Callable[..., Hub]) -> None:
    page = zoo_page.page
    page.goto(start_zoo("Fox", "Owl", "Cat").url)
    fox, owl, cat = (zoo_page.pane(name) for name in ("Fox", "Owl", "Cat"))
    fox.set(rate="16")
    owl.set(rate="8")
    cat.set(rate="50", max_new_tokens="2")
    zoo_page.ask("one two three four five six")
    for pane in (fox, owl, cat):
        pane.expect_status("done")
    rows = page.get_by_test_id("summary-row")
    expect(rows).to_have_count(3)
    for pane, row, tokens, end in (
        (fox, rows.nth(0), "6", "complete"),
        (owl, rows.nth(1), "6", "complete"),
        (cat, rows.nth(2), "2", "length limit"),
    ):
        # The answer's own line and the table have the same figures, from one source.
        for metric in ("ttft", "tps", "tokens", "total", "finish"):
            value = pane.root.locator(f"[data-metric={metric}] dd").inner_text()
            expect(row.locator(f"[data-metric={metric}]")).to_contain_text(value)
        expect(row.locator("[data-metric=tokens]")).to_have_text(tokens)
        expect(row.locator("[data-metric=finish]")).to_have_text(end)
        expect(pane.root.locator("[data-metric=queue] dd")).to_be_visible()
        assert row.locator(".bar").count() == 3
    # The slowest writer is the best at nothing that takes long.
    expect(rows.nth(1).locator("[data-metric=tps]")).not_to_contain_text("★")
    expect(rows.nth(2).locator("[data-metric=total]")).to_contain_text("★")
    expect(rows.nth(2).locator("[data-metric=total]")).to_contain_text("best:")
    assert zoo_page.serious_violations() == []

    page.get_by_test_id("summary-toggle").focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(0)
    page.reload()
    expect(page.get_by_test_id("summary-toggle")).to_have_attribute("aria-expanded", "false")
    page.get_by_test_id("summary-toggle").click()
    expect(rows).to_have_count(3)

    # A prompt for one pane has nothing to be compared with.
    page.get_by_test_id("target").select_option("Fox")
    zoo_page.ask("only you")
    expect(fox.text).to_have_text("only you")
    expect(page.get_by_test_id("summary")).to_have_count(0)
    assert zoo_page.complaints == []


def test_figures_on_a_phone(zoo_page: ZooPage, start_zoo: Callable[..., Hub]) -> None:
    page = zoo_page.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(start_zoo("Fox", "Owl").url)
    zoo_page.ask("Hello")
    for name in ("Fox", "Owl"):
        zoo_page.pane(name).expect_status("done")
    toggle = page.get_by_test_id("summary-toggle")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    toggle.click()
    expect(page.get_by_test_id("summary-row")).to_have_count(2)
    mark(zoo_page.pane("Fox")).click()
    expect(page.get_by_test_id("diff-summary")).to_have_text("The answers are the same.")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
    assert zoo_page.serious_violations() == []
