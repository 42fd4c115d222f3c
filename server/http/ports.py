"""Listening sockets, and errors that name the process which has a port."""

import errno
import socket
from socket import AF_INET

import psutil

from bots.errors import ConfigError

BACKLOG = 2048
"""Connections that may wait while nothing accepts them, as during the import of a library."""


def listen(host: str, port: int, advice: str) -> socket.socket:
    """A socket that listens on `host:port`, or on a free port for port 0.

    Of a name with several addresses, its IPv4 address is used. Raises ConfigError; for a taken port
    the message has the process that has it, where the system shows it, and `advice`.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(
            addresses, key=lambda address: address[0] != AF_INET
        )
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"Cannot listen on {host!r}: {why}.", param="host") from None
    # Allows a port whose last connections are still in TIME_WAIT, but not one in use.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            why = f"Cannot listen on {host}:{port}: {error.strerror}."
            raise ConfigError(why, param="host") from None
        taken = f"Port {port} is taken{_by_whom(port)}; {advice}"
        raise ConfigError(taken, param="port") from None
    listener.setblocking(False)
    return listener


def check_free(host: str, port: int, advice: str) -> None:
    """Raise ConfigError as `listen` does if `host:port` is not available."""
    listen(host, port, advice).close()


def _by_whom(port: int) -> str:
    """` by NAME (process N)`, or "" where the system does not show it."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port == port and connection.pid:
                return f" by {_title(psutil.Process(connection.pid))} (process {connection.pid})"
    except psutil.Error:
        pass  # the system may hide the processes of other users
    return ""


def _title(process: psutil.Process) -> str:
    """The beginning of a command line: `python3 chatzoo up`, `nginx`."""
    words = process.cmdline()[:3]
    return " ".join(word.rpartition("/")[2] for word in words) or process.name()
