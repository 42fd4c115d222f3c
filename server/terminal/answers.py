"""How answers look in a terminal: their figures in one line, an error in one line."""

from rich.markup import escape

from server.client import Answer, WorkerError


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
    return f"[red]{escape(error.message)}[/]"
