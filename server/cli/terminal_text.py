"""Text for and from a terminal: visible control characters, figures of an answer, errors."""

from rich.markup import escape

from server.client.worker import Answer, WorkerError

# U+2400 is the picture of code 0, and so on. C1 codes (0x80 to 0x9f) have no pictures.
_PICTURES = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
_PICTURES |= {127: "\u2421"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")


def show_controls(text: str) -> str:
    """`text` with visible pictures in place of control characters.

    A terminal obeys control characters: a model, or the author of its prompt, could rename the
    window or change what keys do.
    """
    return text.translate(_PICTURES)


def replace_surrogates(text: str) -> str:
    """`text` from the command line with `?` for each byte that was not UTF-8 there."""
    return text.encode("utf-8", "replace").decode()


def summary(answer: Answer) -> str:
    """The known figures: `42 tokens · 31.2 tokens/s · first after 0.12 s · 1.4 s · length`."""
    figures: list[str] = []
    if answer.usage is not None:
        count = answer.usage.completion_tokens
        figures.append("1 token" if count == 1 else f"{count} tokens")
    if answer.timings is not None:
        if answer.timings.tokens_per_second is not None:
            figures.append(f"{answer.timings.tokens_per_second:.1f} tokens/s")
        if answer.timings.ttft_ms is not None:
            figures.append(f"first after {answer.timings.ttft_ms / 1000:.2f} s")
        figures.append(f"{answer.timings.total_ms / 1000:.1f} s")
    if answer.finish_reason not in (None, "stop"):
        figures.append(str(answer.finish_reason))
    return " · ".join(figures)


def error_markup(error: WorkerError) -> str:
    """The message of an error in rich's markup, red."""
    return f"[red]{escape(show_controls(error.message))}[/]"
