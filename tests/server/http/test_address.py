"""URLs and origins of workers."""

import pytest

from server.http.address import (
    is_loopback,
    origins_of,
    reachable,
    same_worker,
    seen_from,
    worker_key,
    worker_url,
)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:8081", "http://127.0.0.1:8081"),
        (" localhost:8081/ ", "http://localhost:8081"),
        ("HTTPS://Models.Example:443/a/", "https://models.example/a"),
        ("http://[::1]:8081", "http://[::1]:8081"),
        ("host", "http://host"),
    ],
)
def test_urls_are_brought_into_one_form(text: str, url: str) -> None:
    assert worker_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://host",
        "javascript://x",
        "http://",
        "http://user:pass@host",
        "http://host?x=1",
        "http://host#x",
        "http://host:0",
        "http://host:99999",
        "http://host:port",
        "http://[::1",
        "http://a b",
        "http://a\nb",
        "x" * 2001,
        "http://☃☃-.com",
        "http://a\udcff",
    ],
)
def test_what_is_no_url_of_a_worker(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (some of them come from the standard library)
        worker_url(text)


def test_what_is_no_key() -> None:
    assert worker_key("sk-1~") == "sk-1~"
    for wrong in ("", "top secret", "topsecret\n", "schlüssel", "\udcff"):
        with pytest.raises(ValueError, match="API key") as caught:
            worker_key(wrong)
        assert "secret" not in str(caught.value)


def test_loopback() -> None:
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.0.0.9", "::1"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "example.org"]))


def test_the_names_of_this_machine_are_the_same_worker() -> None:
    assert same_worker("http://localhost:8081") == same_worker("http://127.0.0.1:8081")
    assert same_worker("http://[::1]:8081") == same_worker("http://127.0.0.1:8081")
    assert same_worker("http://localhost.example") == "http://localhost.example"


def test_origins() -> None:
    own = ["http://127.0.0.1:8080", "http://localhost:8080"]
    assert origins_of("127.0.0.1", 8080) == own
    assert origins_of("::1", 8080) == [*own, "http://[::1]:8080"]
    assert origins_of("Box.Example", 8080) == [*own, "http://box.example:8080"]
    assert set(own) < set(origins_of("0.0.0.0", 8080))


def test_a_browser_leaves_out_port_80() -> None:
    assert origins_of("127.0.0.1", 80) == ["http://127.0.0.1", "http://localhost"]


def test_a_worker_on_all_addresses_is_reached_as_the_hub_was() -> None:
    url = "http://127.0.0.1:8081"
    assert reachable("0.0.0.0") == "127.0.0.1"
    assert seen_from(url, "0.0.0.0", "box.example") == "http://box.example:8081"
    assert seen_from(url, "127.0.0.1", "localhost") == url
    assert seen_from(url, "", "box.example") == url
