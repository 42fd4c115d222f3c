"""Server-sent events: the bytes of one event, the headers of a stream.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
MEDIA_TYPE = "text/event-stream"
DONE = b"data: [DONE]\n\n"

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def frame(data: object, event: str | None = None, number: int | None = None) -> bytes:
    """One event. JSON holds no raw line break, so a single `data:` line always suffices."""
    head = f"event: {event}\n" if event else ""
    if number is not None:
        head += f"id: {number}\n"
    # A lone surrogate cannot be encoded; the reader gets the replacement character.
    return f"{head}data: {_to_json(data)}\n\n".encode("utf-8", "replace")
