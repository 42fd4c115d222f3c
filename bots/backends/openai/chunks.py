"""Chunks of OpenAI's streaming dialect, as many servers send them, to steps.

Knows JSON; knows no connection. Accepts what servers do beside the documentation: `reasoning` and
`reasoning_content`, usage in any chunk, null in place of objects, an end without `[DONE]`.
"""

import json
from typing import Any

from bots.errors import UpstreamError
from bots.events import FinishReason, Step, Usage

DONE = "[DONE]"
"""Data of the event that ends a stream."""

_SHOWN_CHARACTERS = 300
"""Most that an error message quotes of what an endpoint sent."""


class ChunkReader:
    """The chunks of one answer as steps. `finished` becomes true with the finish reason."""

    def __init__(self) -> None:
        self.finished = False

    def step(self, data: str) -> Step:
        """The step for one event's data.

        Raises UpstreamError for an error object and for anything that is no JSON object.
        """
        try:
            chunk = json.loads(data)
        except ValueError:
            raise UpstreamError(f"The endpoint sends no JSON: {_excerpt(data)}") from None
        if not isinstance(chunk, dict):
            raise UpstreamError(f"The endpoint sends no chunk of an answer: {_excerpt(data)}")
        # Some servers put `"error": null` into each chunk.
        if chunk.get("error"):
            raise UpstreamError(
                f"The endpoint ended the answer with an error: {error_message(chunk)}"
            )
        usage = usage_of(chunk.get("usage"))
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return Step(usage=usage)  # OpenAI sends the usage in a chunk without choices
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
        # Other reasons (`content_filter`, `tool_calls`, servers' own) are an end by the model.
        return "length" if given == "length" else "stop"


def usage_of(given: object) -> Usage | None:
    """The token counts of a usage object; None for anything else."""
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


def error_message(body: object) -> str:
    """The message in an error body, in any of the forms that servers use.

    OpenAI nests it (`error.message`), Ollama has `error` as text, FastAPI `detail`. Without any of
    them it is the start of the body itself.
    """
    if isinstance(body, dict):
        for name in ("error", "message", "detail"):
            if value := body.get(name):
                return value if isinstance(value, str) else error_message(value)
    return _excerpt(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False))


def _string(delta: dict[str, Any], name: str) -> str:
    value = delta.get(name)
    return value if isinstance(value, str) else ""


def _excerpt(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
