"""Progress and failures of loading: a progress callback for tqdm, and errors of one sentence."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from safetensors import SafetensorError
from tqdm.auto import tqdm
from transformers.utils import logging as transformers_logging

from bots.engine.device import is_out_of_memory
from bots.errors import LoadError
from bots.progress import Progress

MAX_REASON = 600
"""Characters of a library's message that are shown: some list whole tables."""

_LOADING_FAILS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    ImportError,
    RuntimeError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)
"""What libraries raise for files that are missing, cut short, of another kind or too large. Other
exceptions are bugs and keep their traceback."""

_FULL = "There is not enough memory for"


@contextmanager
def loading(what: str, path: str, progress: Progress) -> Iterator[None]:
    """Report transformers' progress bars to `progress`, and its failures as one LoadError."""
    bar = progress_bar(progress)
    previous = transformers_logging.set_tqdm_hook(lambda _, args, kw: bar(*args, **kw))
    try:
        with one_sentence(f"load the {what} of", path):
            yield
    except LoadError as error:
        begun = f"Cannot load the {what} of "
        message = error.message
        if not message.startswith((begun, _FULL)):
            message = f"{begun}{path!r}: {message}"
        raise LoadError(message, param=error.param) from error
    finally:
        transformers_logging.set_tqdm_hook(previous)


@contextmanager
def one_sentence(doing: str, path: str) -> Iterator[None]:
    """Turn what libraries raise into a LoadError "Cannot {doing} {path}: …"; pass BotError on."""
    try:
        yield
    except _LOADING_FAILS as error:
        if is_out_of_memory(error):
            raise LoadError(f"{_FULL} {path!r}.") from error
        reason = " ".join(str(error).split())[:MAX_REASON] or type(error).__name__
        raise LoadError(f"Cannot {doing} {path!r}: {reason}") from error


def progress_bar(report: Progress) -> type[tqdm]:
    """A class of tqdm bars that draw nothing and call `report` with stage and fraction."""

    class Watched(tqdm):  # type: ignore[misc]
        """A tqdm bar without a terminal."""

        monitor_interval = 0  # no thread of tqdm's own

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)  # huggingface_hub's own
            super().__init__(*args, **{**kwargs, "disable": False})

        def display(self, *args: Any, **kwargs: Any) -> None:
            """Report and draw nothing."""
            done = self.n / self.total if self.total else None
            report((self.desc or "loading").rstrip(": ").lower(), done)

        def close(self) -> None:
            """Report the end, which tqdm does not draw within its minimal interval."""
            if not self.disable:
                self.display()
            self.disable: bool = True

    return Watched
