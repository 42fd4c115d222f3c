"""Sockets that listen; which ports are free, and who has those that are not. Never connects."""

import errno
import socket
from socket import AF_INET

import psutil

from bots.errors import ConfigError

BACKLOG = 2048
"""Callers that wait to be let in, while a model library is imported, say."""


def listen(host: str, port: int, advice: str) -> socket.socket:
    """A socket that listens on `host:port`; of a name with several addresses, on its IPv4 one.

    Port 0 takes a free one. Raises ConfigError: for a taken port it says who has it, if that can be
    known, and `advice` on what to do.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(addresses, key=lambda one: one[0] != AF_INET)
        found = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"Cannot listen on {host!r}: {why}.", param="host") from None
    # A port that was just given up may be bound again; one that somebody listens on may not.
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        if error.errno != errno.EADDRINUSE:
            why = f"Cannot listen on {host}:{port}: {error.strerror}."
            raise ConfigError(why, param="host") from None
        taken = f"Port {port} is taken{_by_whom(port)}; {advice}"
        raise ConfigError(taken, param="port") from None
    found.setblocking(False)
    return found


def check_free(host: str, port: int, advice: str) -> None:
    """Raise ConfigError, as `listen`, if `host:port` cannot be listened on."""
    listen(host, port, advice).close()


def _by_whom(port: int) -> str:
    """` by NAME (process N)`, or nothing where the system does not tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port == port and connection.pid:
                return f" by {_title(psutil.Process(connection.pid))} (process {connection.pid})"
    except psutil.Error:
        pass  # other people's processes may be hidden from us
    return ""


def _title(process: psutil.Process) -> str:
    """The beginning of a command line: `python3 chatzoo up`, `nginx`."""
    words = process.cmdline()[:3]
    return " ".join(word.rpartition("/")[2] for word in words) or process.name()
