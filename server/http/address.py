"""Functions over hosts, origins, and URLs and keys of workers, as text.

They open no connection and resolve no name.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

import httpx
import psutil

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1", "[::1]")
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wildcard(host: str) -> bool:
    """Whether a server on `host` listens on all addresses of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def reachable(host: str) -> str:
    """The host by which a program on this machine reaches a server that listens on `host`."""
    if not is_wildcard(host):
        return host
    return "::1" if ":" in host else "127.0.0.1"


def http_url(host: str, port: int) -> str:
    """`http://host:port` as a browser writes it: IPv6 in brackets, no port 80."""
    netloc = f"[{host}]" if ":" in host else host
    return f"http://{netloc}" if port == DEFAULT_PORTS["http"] else f"http://{netloc}:{port}"


def origins_of(host: str, port: int) -> list[str]:
    """The origins of a page that is served on `host:port`, for the workers' `--allow-origin`."""
    hosts = ["127.0.0.1", "localhost"]
    if is_wildcard(host):
        hosts += [socket.gethostname().lower(), *_own_addresses()]
    elif host not in LOOPBACK_NAMES:
        hosts.append(host.lower())
    elif host == "::1":
        hosts.append(host)
    return [http_url(name, port) for name in dict.fromkeys(hosts)]


def _own_addresses() -> list[str]:
    return [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET
    ]


def worker_url(text: str) -> str:
    """The URL of a worker in the form that the page uses: with a scheme, without a final slash.

    Raises ValueError with the reason.
    """
    text = text.strip()
    if "://" not in text:
        text = f"http://{text}"
    if not text.isprintable() or " " in text or len(text) > 2000:
        raise ValueError("The URL holds characters that no URL has")
    parts = urlsplit(text)  # raises ValueError itself for a broken IPv6 address
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise ValueError(f"A worker's URL begins with http:// or https://, not {scheme}://")
    if not parts.hostname:
        raise ValueError("The URL names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("Give the key as api_key, not inside the URL")
    if parts.query or parts.fragment:
        raise ValueError("A worker's URL has no '?' and no '#'")
    port = parts.port  # raises ValueError when it is no port
    if port == 0:
        raise ValueError("Port 0 is no address")
    host = parts.hostname
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != DEFAULT_PORTS[scheme]:
        netloc += f":{port}"
    url = f"{scheme}://{netloc}{parts.path.rstrip('/')}"
    try:
        httpx.URL(url)  # it checks the host name
    except httpx.InvalidURL as error:
        raise ValueError(f"This is no URL: {error}") from None
    return url


def worker_key(text: str) -> str:
    """Return an API key that a header can carry.

    Raises ValueError for another; its message does not contain the key.
    """
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("An API key is printable ASCII without blanks, and not empty")
    return text


def same_worker(url: str) -> str:
    """A URL that is equal for all loopback names of one worker, such as `localhost`."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK_NAMES:
        return url
    return f"{parts.scheme}://127.0.0.1:{parts.port or DEFAULT_PORTS[parts.scheme]}{parts.path}"


def seen_from(url: str, host: str, client_host: str | None) -> str:
    """The `url` of a worker on `host`, in the form by which a browser reaches it.

    `client_host` is the name under which the browser reached the hub. It replaces the host of a
    worker that listens on all addresses.
    """
    if not client_host or not is_wildcard(host):
        return url
    return http_url(client_host, urlsplit(url).port or DEFAULT_PORTS["http"])
