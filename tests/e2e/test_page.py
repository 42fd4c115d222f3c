"""The page with real workers: register, compare, stop, come back; and what happens when one dies.

Every process is real, every port free; nothing waits for time. With CHATZOO_SCREENSHOT=1 the run
also writes the pictures of the README.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import ZooPage
from tests.gptq_files import write_rounded
from tests.server.hub.conftest import Hub
from tests.support import eventually, running_worker

pytestmark = pytest.mark.browser

TAKES_PICTURES = os.environ.get("CHATZOO_SCREENSHOT") == "1"
IMAGES = Path(__file__).parents[2] / "docs/images"
LARGEST_PICTURE = 300_000
PROMPT = """Plan a **small zoo** for chat models:

1. one cage for each model
2. the same question for all

| animal | pace |
|---|---:|
| fox | 40 |

```python
def feed(model: str) -> str:
    return f"{model} says hello"
```

The area of a round cage is $\\pi r^2$. 你好，世界！
"""
ENDLESS = "5000"
WORDS = re.compile(r"[A-Za-z]{3,}\W+[A-Za-z]{2,}")


def test_compare_two_workers(zoo_page: ZooPage, start_zoo: Callable[..., Hub]) -> None:
    hub = start_zoo("Fox")
    with running_worker("--type", "echo", "--allow-origin", hub.url) as worker:
        page = zoo_page.page
        page.goto(hub.url)
        expect(zoo_page.card("Fox")).to_have_attribute("data-state", "ready")
        zoo_page.register(worker.url.removeprefix("http://"), "Owl")
        expect(zoo_page.card("Owl")).to_have_attribute("data-state", "ready")
        assert zoo_page.serious_violations() == []

        fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
        fox.set(rate="40")
        owl.set(rate="40", repeat=ENDLESS)
        zoo_page.ask(PROMPT)
        for pane in (fox, owl):
            pane.expect_status("streaming")
            pane.expect_text()
        assert zoo_page.serious_violations() == []

        owl.open_menu()
        page.keyboard.press("Escape")
        expect(page.get_by_role("menu")).to_have_count(0)
        owl.expect_status("streaming")

        owl.stop()
        owl.expect_status("stopped")
        owl.expect_text()
        fox.expect_status("done")
        expect(fox.text.locator("table")).to_contain_text("fox")
        expect(fox.text.locator(".hljs-keyword").first).to_have_text("def")
        expect(fox.text.locator(".katex")).to_be_visible()
        expect(fox.root.locator("[data-metric=tokens]")).to_be_visible()
        expect(page.get_by_test_id("live")).to_contain_text("Fox has finished")
        assert zoo_page.serious_violations() == []

        owl.regenerate()
        owl.expect_status("streaming")
        page.keyboard.press("Escape")
        owl.expect_status("stopped")

        page.reload()
        session = page.get_by_test_id("session")
        expect(session).to_contain_text("Plan a")
        expect(zoo_page.pane("Fox").text).to_contain_text("你好，世界！")
        zoo_page.pane("Owl").expect_status("stopped")
        assert zoo_page.complaints == []


def test_a_killed_worker_costs_its_own_answer_only(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    hub = start_zoo("Fox", "Owl", alone=True)
    zoo_page.page.goto(hub.url)
    fox, owl = zoo_page.pane("Fox"), zoo_page.pane("Owl")
    fox.set(rate="100", repeat="3")
    owl.set(rate="20", repeat=ENDLESS)
    zoo_page.ask("The quick brown fox jumps over the lazy dog. " * 10)
    for pane in (fox, owl):
        expect(pane.text).to_contain_text("The quick brown fox")
    assert zoo_page.complaints == []

    url = zoo_page.card("Owl").get_attribute("data-url")
    assert url is not None
    hub.worker_process(int(url.rpartition(":")[2])).kill()
    owl.expect_status("error")
    expect(owl.error).to_contain_text("connection broke")
    expect(owl.text).to_contain_text("The quick brown fox")
    fox.expect_status("done")
    assert zoo_page.serious_violations() == []

    # The hub starts it again, and the page notices by itself.
    expect(zoo_page.card("Owl")).to_contain_text("restarted 1×", timeout=30_000)
    expect(zoo_page.card("Owl")).to_have_attribute("data-state", "ready", timeout=30_000)
    owl.set(repeat="1", rate="0")
    owl.root.get_by_test_id("retry").click()
    owl.expect_status("done")
    assert zoo_page.complaints_of_the_page() == []


@pytest.mark.model
@pytest.mark.usefixtures("builtin_gguf")
def test_compare_three_forms_of_a_real_model(
    zoo_page: ZooPage, start_zoo: Callable[..., Hub], builtin_folder: Path, tmp_path: Path
) -> None:
    """Full, GPTQ and GGUF on one prompt, each with its memory and its speed."""
    gptq = tmp_path / "smollm2-gptq"
    write_rounded(builtin_folder, gptq)
    models = {
        "SmolLM2 135M · fp32": "builtin:smollm2",
        "SmolLM2 135M · GPTQ": str(gptq),
        "SmolLM2 135M · Q4_1 (llama.cpp)": "builtin:smollm2-gguf",
    }
    names = list(models)
    workers = [{"name": name, "pretrained-path": model} for name, model in models.items()]
    hub = start_zoo(*workers, alone=True)
    zoo_page.page.goto(hub.url)
    panes = [zoo_page.pane(name) for name in names]
    for pane in panes:
        pane.set(temperature="0", max_new_tokens="48" if TAKES_PICTURES else "16")
    zoo_page.ask("Name three animals of the savanna.")
    for pane in panes:
        pane.expect_status("done", 120)
    zoo_page.ask("Write a Python function that says hello to each of them.")
    for pane in panes:
        pane.expect_status("streaming")
        pane.expect_text()
    for pane in panes:
        pane.expect_status("done", 120)
        expect(pane.root.get_by_test_id("turn")).to_have_count(2)
        # What a small model says is not ours to test, but it is words.
        expect(pane.root.get_by_test_id("answer-text").first).to_contain_text(WORDS)
        expect(pane.root).to_contain_text(re.compile(r"\d MB"))
        expect(pane.root.locator("[data-metric=tps]").first).to_be_visible()
    for name in names:
        # Long names must leave their buttons within the card.
        expect(zoo_page.card(name).get_by_test_id("open-pane")).to_be_in_viewport(ratio=1)
    assert zoo_page.complaints == []
    assert zoo_page.serious_violations() == []
    take_pictures(zoo_page)


def test_a_page_without_a_hub(zoo_page: ZooPage, tmp_path: Path, static_page: str) -> None:
    with running_worker("--type", "echo", "--name", "Owl", "--allow-origin", static_page) as owl:
        dead = "http://127.0.0.1:9"
        zoo_page.page.goto(f"{static_page}/?worker={owl.url}&worker={dead}&prompt=Good%20morning")
        expect(zoo_page.card("Owl")).to_have_attribute("data-state", "ready")
        expect(zoo_page.page.get_by_label("Prompt", exact=True)).to_have_value("Good morning")
        zoo_page.page.keyboard.press("Enter")
        zoo_page.pane("Owl").expect_status("done")
        expect(zoo_page.pane("Owl").text).to_have_text("Good morning")
        zoo_page.pane("127.0.0.1:9").expect_status("error")

        with zoo_page.page.expect_download() as waiting:
            zoo_page.page.get_by_role("button", name="Export and import sessions").click()
            zoo_page.page.get_by_role("menuitem", name="Export all as JSON", exact=True).click()
        path = tmp_path / "sessions.json"
        waiting.value.save_as(path)
        assert '"text": "Good morning"' in path.read_text(encoding="utf-8")
        assert zoo_page.complaints_of_the_page() == []


def take_pictures(zoo_page: ZooPage) -> None:
    """The page in both languages and themes."""
    if not TAKES_PICTURES:
        return
    page = zoo_page.page
    IMAGES.mkdir(parents=True, exist_ok=True)
    for language in ("en", "zh-CN"):
        page.get_by_test_id("language").select_option(language)
        expect(page.locator("html")).to_have_attribute("lang", language)
        for theme in ("light", "dark"):
            page.get_by_test_id(f"theme-{theme}").click()
            page.locator("#prompt").focus()
            eventually(lambda: page.evaluate("document.fonts.status") == "loaded", "fonts")
            picture = IMAGES / f"page-{language}-{theme}.png"
            page.screenshot(path=picture, animations="disabled")
            assert picture.stat().st_size <= LARGEST_PICTURE
