"""Server-sent events: the bytes of an event and the headers of a stream.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Proxies are to keep no copy, and nginx is to pass on each event at once."""
MEDIA_TYPE = "text/event-stream"
DONE = b"data: [DONE]\n\n"

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def frame(data: object, event: str | None = None, number: int | None = None) -> bytes:
    """The bytes of one event: `data` as JSON, with an event name and an id if given.

    JSON has no raw line break, so the data always fits into one `data:` line.
    """
    head = f"event: {event}\n" if event else ""
    if number is not None:
        head += f"id: {number}\n"
    # A model may produce half of a surrogate pair, which UTF-8 cannot encode: "?" replaces it.
    return f"{head}data: {_to_json(data)}\n\n".encode("utf-8", "replace")
