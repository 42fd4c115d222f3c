"""Progress of the commands that work on model files."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bots.progress import Progress
from server.worker.load_progress import LoadProgress
from server.worker.schema import ProgressBody


@contextmanager
def show_progress(work: str) -> Iterator[Progress]:
    """A progress callback that draws a bar, or prints lines that begin with `work`.

    Ctrl-C within ends the command with exit code 130 and the text of the KeyboardInterrupt, if it
    has one: of quantization it is how to resume.
    """
    show = LoadProgress(work)
    try:
        yield lambda stage, done: show(ProgressBody(stage=stage, fraction=done))
    except KeyboardInterrupt as stopped:
        show(None)
        print(str(stopped) or "Stopped.", file=sys.stderr)
        raise typer.Exit(130) from stopped
    finally:
        show(None)
