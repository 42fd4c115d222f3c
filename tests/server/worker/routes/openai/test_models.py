"""The model list."""

from starlette.testclient import TestClient


def test_the_model_is_listed(letters: TestClient) -> None:
    assert [one["id"] for one in letters.get("/v1/models").json()["data"]] == ["letters"]
    assert letters.get("/v1/models/letters").json()["object"] == "model"
    assert letters.get("/v1/models/").status_code == 404
    unknown = letters.get("/v1/models/nope")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
