"""What a hostile model or worker writes runs nothing, loads nothing and reorders nothing."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import StreamingResponse
from playwright.sync_api import Dialog, Page, Request, Route, expect

from tests.e2e.browser import ZooPage
from tests.e2e.conftest import built_page
from tests.server.hub.conftest import Hub
from tests.support import eventually, serving

pytestmark = pytest.mark.browser

WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""
# Texts of the page, outside answers, in which a letter stands left of the one before it.
REORDERED = """
() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const apart = ".md, .thoughts, [data-testid=prompt], option, textarea";
    if (node.parentElement.closest(apart)) continue;
    let before = null;
    for (let at = 0; at < node.data.length; at++) {
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + 1);
      const box = range.getBoundingClientRect();
      if (!box.width) continue;
      const sameLine = before && Math.abs(box.top - before.top) < 2;
      if (sameLine && box.left < before.left - 0.5) { found.push(node.data); break; }
      before = box;
    }
  }
  return found;
}
"""
CODE = (
    '```python\nprint("hello")\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n'
    "$\\frac{a}{b}$ and `x` &copy; **&lt;b&gt;**"
)


class Watched:
    """A page that remembers all that it must not do."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.misdeeds: list[str] = []
        page.add_init_script(WATCH)
        page.on("dialog", self._dialog)
        page.on("framenavigated", self._navigated)
        page.context.on("page", lambda other: self.misdeeds.append(f"window {other.url}"))
        page.context.route("**/*", self._route)

    def _dialog(self, dialog: Dialog) -> None:
        self.misdeeds.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _navigated(self, frame: Any) -> None:
        if urlsplit(frame.url).hostname not in ("127.0.0.1", None):
            self.misdeeds.append(f"navigation {frame.url}")

    def _route(self, route: Route, request: Request) -> None:
        if urlsplit(request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            self.misdeeds.append(f"request {request.url}")
            route.abort()

    def violations(self) -> list[str]:
        """What the Content-Security-Policy stopped."""
        found: list[str] = self.page.evaluate("window.__violations")
        return found

    def expect_nothing(self) -> None:
        """Nothing ran, opened or left this machine."""
        assert self.page.evaluate("window.__ran") is None
        assert self.violations() == []
        assert self.misdeeds == []


@pytest.fixture
def watched(zoo_page: ZooPage) -> Watched:
    return Watched(zoo_page.page)


def test_a_conversation_needs_no_more_than_the_policy_allows(
    watched: Watched, zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    page = watched.page
    page.goto(start_zoo("Fox").url)
    fox = zoo_page.pane("Fox")
    fox.set(rate="200")
    zoo_page.ask(CODE)
    fox.expect_status("done")
    expect(fox.text.locator(".katex .vlist").first).to_be_visible()
    expect(fox.text.locator(".hljs-built_in")).to_have_text("print")
    expect(fox.text.locator("table")).to_be_visible()
    expect(fox.text.locator("strong")).to_have_text("<b>")
    expect(fox.text).to_contain_text("x ©")
    fox.open_menu()
    page.keyboard.press("Escape")
    page.reload()
    expect(zoo_page.pane("Fox").text.locator(".katex").first).to_be_visible()
    watched.expect_nothing()
    assert zoo_page.complaints == []

    for html in ("<script>window.__ran = 1</script>", "<img src=x onerror='window.__ran = 1'>"):
        page.evaluate(
            """html => {
              try { document.body.append(document.createRange().createContextualFragment(html)); }
              catch { /* Trusted Types */ }
            }""",
            html,
        )
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          try { script.append("window.__ran = 1"); document.body.append(script); } catch {}
          const button = document.createElement("button");
          try { button.setAttribute("onclick", "window.__ran = 1"); } catch {}
          document.body.append(button);
          button.click();
        }"""
    )
    stopped = ("script-src", "require-trusted-types-for")
    eventually(lambda: any(one.startswith(stopped) for one in watched.violations()), "a violation")
    assert page.evaluate("window.__ran") is None


def test_formulas_need_style_attributes(
    watched: Watched, zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    """The one thing in the policy that is not strict: without it a formula falls apart."""
    watched.page.goto(start_zoo("Fox").url)
    watched.page.evaluate(
        """() => {
          const meta = document.createElement("meta");
          meta.httpEquiv = "Content-Security-Policy";
          meta.content = "style-src-attr 'none'";
          document.head.append(meta);
        }"""
    )
    zoo_page.ask("$$\\frac{a}{b}$$")
    zoo_page.pane("Fox").expect_status("done")
    expect(zoo_page.pane("Fox").text.locator(".katex")).to_be_visible()
    eventually(lambda: bool(watched.violations()), "a violation")
    assert {one.split()[0] for one in watched.violations()} == {"style-src-attr"}


CORPUS = Path(__file__).parents[2] / "webui/tests/lib/markdown/hostile.json"
# What each text of the corpus becomes, in the page, by the part of it that shows answers.
SHOW_ALL = """
async ([module, texts]) => {
  const { MarkdownView } = await import(module);
  return texts.map((text) => {
    const root = document.createElement("div");
    root.className = "md";
    document.body.append(root);
    new MarkdownView(root, { copy: "Copy" }).show(text, true);
    // The library takes white space from both ends of a value, and drops titles and labels that
    // would end an element if they were read as HTML, which they are not.
    for (const element of root.querySelectorAll("*")) {
      for (const attribute of [...element.attributes]) {
        attribute.value = attribute.value.trim();
        const isText = ["title", "aria-label"].includes(attribute.name);
        // In HTML the namespace follows from the element's name.
        const goes = attribute.name === "xmlns" || (isText && /[<>]/.test(attribute.value));
        if (goes) element.removeAttribute(attribute.name);
      }
    }
    const html = root.innerHTML;
    for (const element of root.querySelectorAll("a, button, [tabindex]")) element.focus();
    root.remove();
    return html;
  });
}
"""


def hostile_texts() -> list[str]:
    """The corpus of the page's own tests."""
    samples = json.loads(CORPUS.read_text("utf-8"))
    return [
        "".join(part if isinstance(part, str) else part[0] * part[1] for part in sample["parts"])
        for sample in samples
    ]


def test_the_browsers_sanitiser_and_the_library_leave_the_same(
    watched: Watched, start_zoo: Callable[..., Hub]
) -> None:
    """Browsers that have a sanitiser of their own use it; no text passes one and not the other."""
    page = watched.page
    [module] = (built_page() / "assets").glob("view-*.js")
    url = start_zoo("Fox").url
    texts = hostile_texts()
    assert len(texts) > 50
    page.goto(url)
    assert page.evaluate("typeof Sanitizer") == "function"
    own = page.evaluate(SHOW_ALL, [f"{url}/assets/{module.name}", texts])
    page.add_init_script("delete window.Sanitizer")
    page.goto(url)
    assert page.evaluate("typeof Sanitizer") == "undefined"
    library = page.evaluate(SHOW_ALL, [f"{url}/assets/{module.name}", texts])
    different = []
    for text, one, other in zip(texts, own, library, strict=True):
        if one != other:
            first = next(n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
            part = slice(max(0, first - 40), first + 80)
            different.append((text[:80], one[part], other[part]))
    assert different == []
    watched.expect_nothing()


EVIL = "\u202e\u2066<img src=x onerror='window.__ran=1'>{{window.__ran=1}}\u2069\u2069\u202e evil"


def hostile_worker() -> FastAPI:
    """Writes hostile words wherever a worker can write any."""
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_headers=["*"])

    @app.get("/info")
    def info() -> dict[str, Any]:
        words = dict.fromkeys(
            (
                "native_class",
                "dtype",
                "quantization",
                "revision",
                "base_model",
                "engine",
                "version",
            ),
            EVIL,
        )
        return {
            **words,
            "name": f"Fox {EVIL}",
            "family": EVIL,
            "model": EVIL,
            "adapter": EVIL,
            "device_map": {EVIL: EVIL},
            "memory": {"weights": EVIL, "cache": {}, "peak": [EVIL]},
            "context_length": EVIL,
            "state": "ready",
            "progress": {"stage": EVIL, "fraction": EVIL},
            "error": EVIL,
            "queue": {"running": EVIL, "waiting": EVIL},
            "capabilities": EVIL,
            "limits": EVIL,
        }

    @app.get("/params")
    def params() -> dict[str, Any]:
        field = {"title": EVIL, "description": EVIL, "type": "string", "default": EVIL}
        return {
            "title": EVIL,
            "properties": {
                "text": field,
                "select": {**field, "enum": [EVIL, "b"]},
                "wrong": {**field, "title": {}, "enum": EVIL, "anyOf": EVIL, "x-control": EVIL},
                "number": {**field, "type": "number", "minimum": EVIL, "x-step": EVIL},
                EVIL: {},
                "none": None,
            },
        }

    @app.post("/generate")
    def generate() -> StreamingResponse:
        def stream() -> Iterator[str]:
            data: dict[str, Any]
            for name, data in (
                ("start", {"id": EVIL, "model": EVIL, "dropped_turns": EVIL}),
                ("delta", {"text": f"Hello. {EVIL}", "reasoning": EVIL}),
                ("delta", {"text": {"a": EVIL}}),
                ("error", {"message": EVIL, "code": EVIL, "type": EVIL, "param": EVIL}),
            ):
                yield f"event: {name}\ndata: {json.dumps(data)}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    return app


def test_a_hostile_worker(
    watched: Watched, zoo_page: ZooPage, start_zoo: Callable[..., Hub]
) -> None:
    page = watched.page
    with serving(hostile_worker()) as url:
        page.goto(f"{start_zoo('Owl').url}/?worker={url}")
        card = page.locator(f"[data-testid=worker-card][data-url='{url}']")
        expect(card).to_contain_text("Fox ⟨U+202E⟩")
        card.get_by_text("Details").click()
        assert page.evaluate(REORDERED) == []
        pane = page.locator(f"[data-testid=pane][data-worker='{url}']")
        pane.get_by_test_id("settings-open").click()
        expect(pane.get_by_test_id("settings")).to_contain_text("⟨U+202E⟩")
        assert page.evaluate(REORDERED) == []
        pane.get_by_test_id("settings-close").click()
        zoo_page.ask("Hello")
        expect(pane).to_have_attribute("data-status", "error")
        expect(pane.get_by_test_id("error")).to_contain_text("evil")
        pane.locator("summary").click()
        assert page.evaluate(REORDERED) == []
        expect(zoo_page.pane("Owl").root).to_be_hidden()
        watched.expect_nothing()
        assert zoo_page.complaints == []
