"""The page under load: delay, long tasks, typing and memory with many fast answers in Chromium.

All panes get a prompt of Markdown. Each worker repeats it at RATE tokens a second and appends the
time of its end, while keys are typed. After the panes are closed, memory is compared with that
before they were opened.
"""

import argparse
import json
import math
import shutil
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from playwright.sync_api import CDPSession, Page, expect, sync_playwright

from benchmarks.panes import FLAGS, Site
from benchmarks.report import Watch, machine, table, write_section
from bots.backends.echo import EchoBot, EchoSettings, pieces
from bots.events import Step
from bots.hooks import Inputs
from bots.settings import control
from bots.streaming.pause import Pause
from tests.support import running_worker

SCRIPT = Path(__file__).with_suffix(".js")
RATE = 200
KEYS_A_SECOND = 8
PATIENCE_MS = 60_000
SIZE = (1920, 1080)
"""Large enough to show all of eight panes."""


class FastSettings(EchoSettings):
    """Settings of the echo, with a fast model's rate and long answers."""

    rate: float = control(float(RATE), "slider", "Tokens per second", "", ge=0, le=1000, step=1)
    max_new_tokens: int = control(4096, "number", "Longest answer", "", ge=1, le=100_000)


class FastEcho(EchoBot):
    """An echo that appends the time of its end, in seconds since the epoch."""

    Settings = FastSettings

    def generate(
        self, inputs: Inputs, settings: EchoSettings, stop: threading.Event
    ) -> Iterator[Step | Pause]:
        """Yield the pieces of the prompt, then the time."""
        for step in super().generate(inputs, settings, stop):
            if isinstance(step, Pause) or step.finish_reason is None:
                yield step
            else:
                yield Step(text=step.text)
        if not stop.is_set():
            yield Step(text=f"\n\nEnded at {time.time():.3f}", finish_reason="stop")


def markdown(tokens: int) -> str:
    """A prompt of `tokens` pieces: sections with all kinds of Markdown, no two alike."""
    sections: list[str] = []
    while len(pieces("".join(sections))) < tokens:
        sections.append(SECTION.replace("NUMBER", str(len(sections) + 1)))
    return "".join(pieces("".join(sections))[:tokens])


SECTION = r"""## NUMBER. Animals and their paces

A **fox** runs at 40 km/h for a while, an *owl* flies without a sound, and `feed(NUMBER)` gives both
of them what they want; see [the list](https://example.org/list/NUMBER) for all others.

狐狸奔跑的速度约为每小时四十公里，猫头鹰飞行时**几乎没有声音**。
第 NUMBER 节比较它们的速度、体重和习性。

1. measure the way $s_{NUMBER}$ in metres
2. measure the time $t$, and divide: $v = \frac{s_{NUMBER}}{t}$
   - at noon
   - at night

```python
def pace(way: float, time: float = NUMBER.0) -> str:
    # Nobody runs for less than no time.
    if time <= 0:
        raise ValueError(f"no time: {time}")
    return f"{way / time:.1f} m/s"
```

| animal | pace, km/h | 名称 |
|---|---:|---|
| fox NUMBER | 40 | 狐狸 |
| owl | 65 | 猫头鹰 |
| hare | 70 | 野兔 |

$$
\bar{v} = \frac{1}{n} \sum_{i=1}^{n} \frac{s_i}{t_i}, \qquad n = NUMBER
$$

> What is fast on paper need not be fast in the wood.

"""


@dataclass
class Memory:
    """Reachable memory of the page by a heap snapshot, in MB."""

    objects: float
    """Objects of JavaScript."""
    document: float
    """The browser's document: elements, styles, and the undo history of the prompt's field."""
    code: float
    """Compiled scripts; they grow with use."""


@dataclass
class Run:
    """Observations of one prompt: seconds behind, longest task and keys in milliseconds."""

    behind: float
    task: float
    keys: list[float]
    memory: Memory
    """After the panes were closed."""


@dataclass
class Seen:
    """Observations of all prompts."""

    start: Memory
    """Before the panes were opened."""
    runs: list[Run]


class Tab:
    """A tab with the page, driven like a user does, with access to memory and profiles."""

    def __init__(self, page: Page, profile: Path | None = None) -> None:
        self.page = page
        self.profile = profile
        self.devtools: CDPSession = page.context.new_cdp_session(page)
        self.devtools.send("HeapProfiler.enable")

    def open_all(self, panes: int) -> None:
        """Open a pane for each worker."""
        self.page.get_by_test_id("open-all").click()
        expect(self.page.get_by_test_id("pane")).to_have_count(panes)

    def close_all(self) -> None:
        """Close all panes."""
        while self.page.get_by_test_id("pane").count():
            self.page.get_by_role("button", name="Actions for the pane").first.click()
            self.page.get_by_role("menuitem", name="Close").click()
        expect(self.page.get_by_test_id("empty")).to_be_visible()

    def memory(self) -> Memory:
        """Collect garbage and measure reachable memory."""
        # Closed panes are released some tasks later: weak references, sessions being saved.
        self.page.wait_for_timeout(3000)
        for _ in range(3):
            self.devtools.send("HeapProfiler.collectGarbage")
        chunks: list[str] = []

        def keep(event: dict[str, Any]) -> None:
            chunks.append(event["chunk"])

        self.devtools.on("HeapProfiler.addHeapSnapshotChunk", keep)
        self.devtools.send("HeapProfiler.takeHeapSnapshot")
        self.devtools.remove_listener("HeapProfiler.addHeapSnapshotChunk", keep)
        return memory_of(json.loads("".join(chunks)))

    def ask(self, prompt: str, tokens: int) -> dict[str, Any]:
        """Send `prompt` to all panes, type while they answer, and return the observations."""
        field = self.page.get_by_label("Prompt", exact=True)
        field.fill(prompt)
        self.page.evaluate("watched.begin()")
        self._start_profile()
        field.press("Enter")
        self.page.evaluate("watched.forgetKeys()")
        for number in range(max(1, int(tokens / RATE * KEYS_A_SECOND * 0.9))):
            self.page.keyboard.press("abcd "[number % 5])
            self.page.wait_for_timeout(1000 / KEYS_A_SECOND)
        seen: dict[str, Any] = self.page.evaluate("watched.ended")
        self._write_profile()
        field.fill("")
        return seen

    def _start_profile(self) -> None:
        if self.profile:
            self.devtools.send("Profiler.enable")
            self.devtools.send("Profiler.start")

    def _write_profile(self) -> None:
        if self.profile:
            found = self.devtools.send("Profiler.stop")["profile"]
            self.profile.write_text(json.dumps(found), "utf-8")


def memory_of(snapshot: dict[str, Any]) -> Memory:
    """Sum the sizes in a heap snapshot in the format of Chromium's developer tools, a flat list of
    nodes."""
    meta, nodes = snapshot["snapshot"]["meta"], snapshot["nodes"]
    fields = meta["node_fields"]
    names = meta["node_types"][fields.index("type")]
    sums = dict.fromkeys(names, 0)
    types = nodes[fields.index("type") :: len(fields)]
    sizes = nodes[fields.index("self_size") :: len(fields)]
    for kind, size in zip(types, sizes, strict=True):
        sums[names[kind]] += size
    document, code = sums.pop("native"), sums.pop("code")
    return Memory(sum(sums.values()) / 1e6, document / 1e6, code / 1e6)


def enlarge(page: Page) -> None:
    """Resize the window so that the page has SIZE.

    Playwright's own viewport may be larger than the window, and what lies outside of the window is
    never drawn, so that keys typed there would get no frame.
    """
    devtools = page.context.new_cdp_session(page)
    window = devtools.send("Browser.getWindowForTarget")["windowId"]
    around = page.evaluate("[outerWidth - innerWidth, outerHeight - innerHeight]")
    bounds = {"width": SIZE[0] + around[0], "height": SIZE[1] + around[1]}
    devtools.send("Browser.setWindowBounds", {"windowId": window, "bounds": bounds})
    page.wait_for_function("size => innerWidth === size[0] && innerHeight === size[1]", arg=SIZE)


def watch_page(panes: int, tokens: int, runs: int, profile: Path | None = None) -> Seen:
    """Run workers and browser; returns the observations of `runs` prompts."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("This needs Chromium: apt-get install chromium")
    with ExitStack() as stack:
        handler = partial(Site, SimpleQueue())
        site = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=site.serve_forever, daemon=True).start()
        stack.callback(site.shutdown)
        origin = f"http://127.0.0.1:{site.server_port}"
        bot = ("--bot", f"{__file__}:{FastEcho.__name__}", "--allow-origin", origin)
        with ThreadPoolExecutor(panes) as pool:
            entered = [pool.submit(stack.enter_context, running_worker(*bot)) for _ in range(panes)]
        workers = [one.result() for one in entered]
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        stack.callback(browser.close)
        page = browser.new_page(no_viewport=True, locale="en-US")
        enlarge(page)
        page.add_init_script(path=SCRIPT)
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(f"{origin}/?{'&'.join(f'worker={w.url}' for w in workers)}")
        expect(page.locator("[data-testid=worker-card][data-state=ready]")).to_have_count(panes)
        tab = Tab(page, profile)
        # Warm-up: what the browser compiles at first use stays in memory in any case.
        tab.ask(markdown(tokens), tokens)
        tab.close_all()
        start = tab.memory()
        found = []
        for _ in range(runs):
            tab.open_all(panes)
            seen = tab.ask(markdown(tokens), tokens)
            tab.close_all()
            found.append(Run(seen["behind"], seen["task"], seen["keys"], tab.memory()))
        return Seen(start, found)


def p95(values: Sequence[float]) -> float:
    """The value that 95 of 100 values do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]


def row(panes: int, seen: Seen) -> list[str]:
    """Format a row of the table."""

    def median(values: Sequence[float], digits: int = 0) -> str:
        least, most = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
        return f"{statistics.median(values):.{digits}f} ({least}–{most})"

    runs, start, last = seen.runs, seen.start, seen.runs[-1].memory
    return [
        str(panes),
        median([run.behind for run in runs], 2),
        median([run.task for run in runs]),
        median([p95(run.keys) for run in runs]),
        f"{start.objects:.2f} → {last.objects:.2f}",
        f"{(last.objects / start.objects - 1) * 100:+.1f} %",
        f"{start.document:.1f} → {last.document:.1f}",
        f"{start.code:.1f} → {last.code:.1f}",
    ]


HEAD = [
    "panes",
    "behind at the end, s",
    "longest task, ms",
    "typing p95, ms",
    "objects, MB",
    "after ÷ before",
    "document, MB",
    "compiled code, MB",
]


def report(found: dict[int, Seen], tokens: int, words: str) -> str:
    """Format the section of docs/benchmarks.md."""
    runs = len(next(iter(found.values())).runs)
    about = (
        f"{machine()}; {tokens} tokens of Markdown at {RATE} a second to each pane;"
        f" medians of {runs} runs (least–most); {words}."
    )
    return f"{about}\n\n{table(HEAD, (row(panes, seen) for panes, seen in found.items()))}"


def main() -> None:
    """Measure and print; with --write also update docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panes", type=int, nargs="+", default=[8, 4, 1])
    parser.add_argument("--tokens", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--profile", type=Path, help="write the last run's CPU profile here")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    watch = Watch()
    found = {
        panes: watch_page(panes, options.tokens, options.runs, options.profile)
        for panes in options.panes
    }
    text = report(found, options.tokens, watch.words())
    print(text)
    if options.write:
        write_section("web", text)


if __name__ == "__main__":
    main()
