"""Structured log lines on standard error: readable at a terminal, JSON elsewhere.

No line holds text of a prompt or an answer. Requests are logged with id, counts and times.
"""

import logging
import sys
from typing import Literal

import structlog


def configure(level: str, style: Literal["auto", "console", "json"]) -> None:
    """Configure logging of this process: lines from `level` up, in the given style.

    Libraries log warnings and errors only.
    """
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    # Plain tracebacks: structlog's default prints local variables, and so prompts.
    for_people = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    renderers: list[structlog.typing.Processor] = (
        [for_people]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # At the level DEBUG it logs the bytes of every event, and so the answers.
    logging.getLogger("sse_starlette").setLevel(logging.WARNING)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
