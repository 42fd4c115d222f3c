"""The comparison of servers, with a worker that has no model."""

import sys
from typing import Any

import pytest

from benchmarks.client import Stream
from benchmarks.peers import Peer, all_peers
from benchmarks.serve import rows
from benchmarks.servers import Measured, started
from tests.support import answers


def _echo(*flags: str) -> Peer:
    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "server", "--type", "echo", "--port", str(port), *flags]

    def extra(tokens: int) -> dict[str, Any]:
        return {"stream_options": {"include_usage": True}}

    return Peer("echo", "none", command, extra, "/readyz")


def _measured(rate: float, first: float) -> Measured:
    return Measured(rate, rate, first, first, 1, 1, 1, 1)


def test_a_server_is_started_measured_and_ended() -> None:
    """All figures come from its answers and its process."""
    with started(_echo(), 1) as server:
        found = server.run(["one two three four five"] * 2, 2)
        with pytest.raises(RuntimeError, match="gave 1 tokens of 9"):
            server.run(["one"], 9)
    assert not answers(server.url + "/readyz")
    assert found.rate > 0
    assert 0 < found.first <= found.first_p95
    assert found.memory > 10


def test_a_server_that_does_not_start_is_an_error_with_its_last_log_line() -> None:
    """It is noticed before the time limit."""
    peer = _echo("--no-such-flag")
    with pytest.raises(RuntimeError, match="did not start"), started(peer, 1):
        pass


def test_what_is_not_installed_is_named_and_not_run() -> None:
    """Each with its reason."""
    missing = {peer.name: peer.missing for peer in all_peers(4, "/no/such/python", None)}
    assert missing["ours"] is None
    assert "/no/such/python cannot be started" in (missing["transformers serve"] or "")
    assert "--vllm-python" in (missing["vLLM"] or "")


def test_ratios_are_ours_over_theirs_at_the_same_number_of_requests() -> None:
    """There is no ratio where ours was not measured."""
    lines = rows(_echo(), {4: _measured(10, 300), 8: _measured(1, 1)}, {4: _measured(25, 30)})
    assert (lines[0][3], lines[0][7]) == ("2.50", "0.1")
    assert (lines[1][3], lines[1][7]) == ("–", "–")


def test_medians_are_of_each_figure() -> None:
    """Not the figures of the median run."""
    found = Measured.medians([_measured(1, 9), _measured(2, 8), _measured(3, 7)])
    assert (found.rate, found.first) == (2, 8)


def test_the_rate_of_a_stream_begins_with_its_first_token() -> None:
    """Its prompt's time is the first token's."""
    stream = Stream(10.0, [12.0, 12.5, 13.0], 3)
    assert stream.first == 2
    assert stream.rate == 2
    assert stream.gaps == [0.5, 0.5]
