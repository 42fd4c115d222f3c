"""How answers look in a terminal: harmless, their figures in one line, an error in one line."""

from rich.markup import escape

from server.client.worker import Answer, WorkerError

_CONTROLS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
_CONTROLS |= {127: "\u2421"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")


def harmless(text: str) -> str:
    """A text from elsewhere with its control characters made visible.

    A terminal obeys them: a model, or who wrote its prompt, could rename or remap it.
    """
    return text.translate(_CONTROLS)


def well_formed(text: str) -> str:
    """A text from the command line with a `?` for each byte that was no text there."""
    return text.encode("utf-8", "replace").decode()


def figures(answer: Answer) -> str:
    """`42 tokens · 31.2 tokens/s · first after 0.12 s · 1.4 s · length`, what is known of it."""
    found: list[str] = []
    if answer.usage is not None:
        count = answer.usage.completion_tokens
        found.append("1 token" if count == 1 else f"{count} tokens")
    if answer.timings is not None:
        if answer.timings.tokens_per_second is not None:
            found.append(f"{answer.timings.tokens_per_second:.1f} tokens/s")
        if answer.timings.ttft_ms is not None:
            found.append(f"first after {answer.timings.ttft_ms / 1000:.2f} s")
        found.append(f"{answer.timings.total_ms / 1000:.1f} s")
    if answer.finish_reason not in (None, "stop"):
        found.append(str(answer.finish_reason))
    return " · ".join(found)


def failure(error: WorkerError) -> str:
    """An error in rich's markup."""
    return f"[red]{escape(harmless(error.message))}[/]"
