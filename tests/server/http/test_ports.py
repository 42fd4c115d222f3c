"""Listening sockets, and the errors where there can be none."""

import os
import socket
from collections.abc import Callable

import pytest

from bots.errors import ConfigError
from server.http.ports import check_free, listen


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_listening_socket_takes_calls(host: str) -> None:
    with listen(host, 0, "") as bound:
        address = bound.getsockname()
        assert address[0] == "127.0.0.1"  # of a name with several addresses, too
        socket.create_connection(address, timeout=5).close()


def refusal(use: Callable[[], object]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        use()
    return caught.value


def test_a_taken_port_has_an_owner() -> None:
    with listen("127.0.0.1", 0, "") as bound:
        port = bound.getsockname()[1]
        error = refusal(lambda: check_free("127.0.0.1", port, "take another."))
    assert error.message.startswith(f"Port {port} is taken by ")
    assert error.message.endswith(f"(process {os.getpid()}); take another.")
    assert error.param == "port"
    check_free("127.0.0.1", port, "take another.")


def test_a_wrong_host_is_no_taken_port() -> None:
    for host in ("192.0.2.1", "no such host", "[::1]", "-" * 64):
        error = refusal(lambda host=host: check_free(host, 8081, "take another."))  # type: ignore[misc]
        assert error.message.startswith("Cannot listen on ")
        assert error.param == "host"
