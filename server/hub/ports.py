"""Which ports are free, and who has those that are not. Binds; never connects."""

import errno
import socket

import psutil

from bots.errors import ConfigError


def listen(host: str, port: int, advice: str) -> socket.socket:
    """A socket that listens on `host:port`.

    Raises ConfigError: who has the port if that can be known, and `advice` on what to do.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"Cannot listen on {host!r}: {error.strerror or error}.") from None
    # A port that was just given up may be bound again; one that somebody listens on may not.
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(address)
        found.listen(128)
    except OSError as error:
        found.close()
        if error.errno != errno.EADDRINUSE:
            raise ConfigError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
        raise ConfigError(f"Port {port} is taken{_by_whom(port)}; {advice}") from None
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
