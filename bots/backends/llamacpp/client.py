"""Requests to llama.cpp's server for what the binding has no function for.

Those are the chat template, the tokenizer, single completions and the state of the slots. Knows
HTTP over a Unix socket and the server's paths; knows neither settings nor steps.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from bots.errors import BotError, ContextLengthExceeded, InvalidRequest

TIMEOUT_SECONDS = 60.0
"""None of these requests waits for a slot, apart from those for scores, which compute one token.
A minute is for a machine that is busy or swaps."""


class LlamaCppClient:
    """Client of the server behind `socket`. For use from any thread.

    Each request opens a connection, which costs 0.1 ms on such a socket. One that is kept open
    would hold one of the server's HTTP threads, of which there are two. Nothing is retried: the
    server is in this process, so it answers or is broken.
    """

    def __init__(self, socket: Path, timeout: float = TIMEOUT_SECONDS) -> None:
        transport = httpx.HTTPTransport(
            uds=str(socket),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        # The host is only a header here, and proxies of the environment must not apply.
        self._http = httpx.Client(
            base_url="http://llama.cpp", transport=transport, timeout=timeout, trust_env=False
        )

    def close(self) -> None:
        """Close the client."""
        self._http.close()

    def properties(self) -> dict[str, Any]:
        """The server's and the model's properties, such as the context length of a slot."""
        return dict(self._answer("GET", "/props"))

    def slots(self) -> list[dict[str, Any]]:
        """The state of each slot."""
        return list(self._answer("GET", "/slots"))

    def apply_template(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The prompt that the file's chat template makes of messages.

        Raises InvalidRequest where the template refuses them: templates raise errors of their own,
        for example for two user messages in a row.
        """
        status, body = self._send("POST", "/apply-template", {"messages": list(messages)})
        if status != 200:
            reason = body.get("error", {}).get("message", body)
            raise InvalidRequest(
                f"messages: the model's chat template refuses them: {reason}", param="messages"
            )
        return str(body["prompt"])

    def tokenize(self, text: str, *, add_special: bool = False, special: bool = False) -> list[int]:
        """The ids of a text.

        `add_special` adds the tokens that the file puts around a text; with `special`, the names
        of special tokens in the text become these tokens.
        """
        body = {"content": text, "add_special": add_special, "parse_special": special}
        return list(self._answer("POST", "/tokenize", body)["tokens"])

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of ids."""
        return str(self._answer("POST", "/detokenize", {"tokens": list(token_ids)})["content"])

    def complete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The whole answer to a completion request in llama.cpp's own form."""
        return dict(self._answer("POST", "/completion", request))

    def _answer(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of a successful request. Raises BotError subclasses."""
        status, answer = self._send(method, path, body)
        if status != 200:
            raise error_from(answer.get("error", {}))
        return answer

    def _send(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of a request. Raises BotError where there is no answer or no JSON."""
        try:
            response = self._http.request(method, path, json=body)
            return response.status_code, response.json()
        except (httpx.HTTPError, ValueError, RuntimeError) as error:
            # RuntimeError is httpx's for a client that was closed, as at the end of the worker.
            raise BotError(f"llama.cpp does not answer: {error!r}.") from error


def error_from(given: Mapping[str, Any]) -> BotError:
    """The exception for llama.cpp's error object.

    The two types that the sender of a request can mend keep their meaning; all others are errors
    of the server, whatever their status.
    """
    message, kind = str(given.get("message", "no reason given")), given.get("type")
    if kind == "exceed_context_size_error":
        return ContextLengthExceeded(int(given["n_prompt_tokens"]), int(given["n_ctx"]))
    if kind == "invalid_request_error":
        return InvalidRequest(f"llama.cpp: {message}")
    return BotError(f"llama.cpp: {message}")
