"""The version of the package is the one that everything shows."""

from importlib.metadata import PackageNotFoundError

import pytest
from starlette.testclient import TestClient

from server.http import version
from server.http.version import package_version


def test_info_and_document_have_the_version_of_the_package(client: TestClient) -> None:
    assert client.get("/info").json()["version"] == package_version()
    assert client.get("/openapi.json").json()["info"]["version"] == package_version()


def test_without_an_installed_package_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", missing)
    assert package_version() == "unknown"
