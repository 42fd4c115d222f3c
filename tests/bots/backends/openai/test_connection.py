"""A connection that a stop shuts down, on a pair of sockets."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bots.backends.openai.connection import StoppableConnection


class Stream:
    """The part of httpcore's network stream that the trace reads."""

    def __init__(self, own: socket.socket) -> None:
        self._own = own

    def get_extra_info(self, name: str) -> Any:
        """The socket."""
        assert name == "socket"
        return self._own


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets: ours and the endpoint's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        theirs.settimeout(10)
        yield ours, theirs


@pytest.mark.parametrize(
    "event", ["connection.connect_tcp.complete", "connection.start_tls.complete"]
)
def test_a_stop_wakes_the_thread_that_reads(
    pair: tuple[socket.socket, socket.socket], event: str
) -> None:
    """Its `recv` ends, and the other side sees the end too."""
    ours, theirs = pair
    stop = threading.Event()
    with StoppableConnection(stop, poll_seconds=0.001) as connection:
        connection.trace("connection.connect_tcp.started", {})
        connection.trace(event, {"return_value": Stream(ours)})
        threading.Timer(0.02, stop.set).start()
        assert ours.recv(1) == b""
        assert theirs.recv(1) == b""


def test_without_a_stop_the_connection_stays(pair: tuple[socket.socket, socket.socket]) -> None:
    """Leaving ends the watching thread and nothing else."""
    ours, theirs = pair
    with StoppableConnection(threading.Event(), poll_seconds=0.001) as connection:
        connection.trace("connection.connect_tcp.complete", {"return_value": Stream(ours)})
    theirs.send(b"x")
    assert ours.recv(1) == b"x"
    assert not [one for one in threading.enumerate() if one.name == "upstream stop"]


def test_a_stop_before_the_connection_counts_when_it_is_made(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """The watching thread waits for the socket."""
    ours, _ = pair
    stop = threading.Event()
    stop.set()
    with StoppableConnection(stop, poll_seconds=0.001) as connection:
        connection.trace("connection.connect_tcp.complete", {"return_value": Stream(ours)})
        assert ours.recv(1) == b""


def test_a_stop_after_the_end_is_no_error(pair: tuple[socket.socket, socket.socket]) -> None:
    """The socket may be closed already."""
    ours, _ = pair
    stop = threading.Event()
    with StoppableConnection(stop, poll_seconds=0.001) as connection:
        connection.trace("connection.connect_tcp.complete", {"return_value": Stream(ours)})
        ours.close()
        stop.set()
