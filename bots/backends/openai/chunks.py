"""OpenAI's streaming dialect as many servers speak it: bytes to events, chunks to steps.

Pure functions and small readers; knows no connection. Accepts what servers do beside the
documentation: comments, blank lines, `reasoning` and `reasoning_content`, usage in any chunk, an
end without `[DONE]`.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from bots.errors import UpstreamError
from bots.events import FinishReason, Step, Usage

DONE = "[DONE]"
_LONGEST_LINE = 16 << 20


def data_of(chunks: Iterable[bytes]) -> Iterator[str]:
    """The `data` of each server-sent event.

    Lines end in LF or CRLF only: JSON may hold other characters that Python takes for line ends.
    Raises UpstreamError for a line that does not end, or that is not UTF-8.
    """
    data: list[str] = []
    for line in _lines(chunks):
        if not line:
            if data:
                yield "\n".join(data)
            data = []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        # Comments (": ping"), and the fields event, id and retry, say nothing about the answer.
    if data:
        yield "\n".join(data)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield _text(line)
        if len(rest) > _LONGEST_LINE:
            raise UpstreamError("The endpoint sends a line that does not end.")
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    try:
        return line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        raise UpstreamError("The endpoint sends text that is not UTF-8.") from None


class ChunkReader:
    """The chunks of one answer as steps; `finished` once the endpoint said why it ended."""

    def __init__(self) -> None:
        self.finished = False

    def step(self, data: str) -> Step:
        """The step of one event's data. Raises UpstreamError for an error or for nonsense."""
        try:
            chunk = json.loads(data)
        except ValueError:
            raise UpstreamError(f"The endpoint sends no JSON: {_short(data)}") from None
        if not isinstance(chunk, dict):
            raise UpstreamError(f"The endpoint sends no chunk of an answer: {_short(data)}")
        if chunk.get("error"):
            raise UpstreamError(f"The endpoint ended the answer with an error: {reason_of(chunk)}")
        usage = usage_of(chunk.get("usage"))
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return Step(usage=usage)  # the chunk with the usage has no choices
        delta = choices[0].get("delta")
        delta = delta if isinstance(delta, dict) else {}
        return Step(
            text=_string(delta, "content"),
            reasoning=_string(delta, "reasoning_content") or _string(delta, "reasoning"),
            finish_reason=self._reason(choices[0].get("finish_reason")),
            usage=usage,
        )

    def _reason(self, given: object) -> FinishReason | None:
        if not given:
            return None
        self.finished = True
        return "length" if given == "length" else "stop"


def usage_of(given: object) -> Usage | None:
    """The counts of a usage object, None if there is none."""
    if not isinstance(given, dict):
        return None
    details = given.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    prompt, completion = given.get("prompt_tokens"), given.get("completion_tokens")
    return Usage(
        prompt if isinstance(prompt, int) else None,
        completion if isinstance(completion, int) else 0,
        cached if isinstance(cached, int) else 0,
    )


def reason_of(body: object) -> str:
    """The message in an error body, in any of the forms that servers use."""
    if isinstance(body, dict):
        for name in ("error", "message", "detail"):
            if found := body.get(name):
                return found if isinstance(found, str) else reason_of(found)
    return _short(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False))


def _string(delta: dict[str, Any], name: str) -> str:
    found = delta.get(name)
    return found if isinstance(found, str) else ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:300] + "…"
