"""A connection that a stop closes at once, also while the endpoint sends nothing.

Knows sockets and httpx's trace; knows neither addresses nor chunks.
"""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

POLL_SECONDS = 0.03
"""How often the watching thread looks at the stop: soon enough that a person sees no delay, and
rare enough that 64 waiting requests cost next to nothing."""

_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")


class StoppableConnection:
    """Context manager that shuts the connection of one request down once `stop` is set.

    A thread that waits in `recv` cannot wait for an event too. A second thread does, and shuts
    the socket down, which ends the `recv`. A stop while the connection is being made takes effect
    when it is made, or after the connect timeout.
    """

    def __init__(self, stop: threading.Event, poll_seconds: float = POLL_SECONDS) -> None:
        self._stop = stop
        self._poll_seconds = poll_seconds
        self._left = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._watch, name="upstream stop", daemon=True)

    def __enter__(self) -> "StoppableConnection":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()  # no thread outlives its request

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Callback for httpx's `trace` extension: keeps the socket of the new connection.

        With TLS it is called twice, and the second socket takes the place of the first.
        """
        if event in _CONNECTED:
            self._socket = info["return_value"].get_extra_info("socket")

    def _watch(self) -> None:
        while not self._left.wait(self._poll_seconds):
            if self._stop.is_set() and self._socket is not None:
                with suppress(OSError):  # closed already
                    # `socket.socket`'s own method, not that of a TLS socket, which would wait for
                    # the other side to answer.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                return
