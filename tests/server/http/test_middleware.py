"""Ids, unforeseen errors, origins and host names."""

from starlette.testclient import TestClient

from bots.backends.echo import EchoBot
from bots.hooks import Inputs
from tests.server.conftest import MakeClient

ASK = {"messages": [{"role": "user", "content": "a very private prompt"}], "stream": False}


class Careless(EchoBot):
    """Fails to build the input of the prompt `early`."""

    def get_input(self, prompt: str) -> Inputs:
        if "early" in prompt:
            raise RuntimeError("failed early")
        return super().get_input(prompt)


def test_the_page_can_read_an_internal_error(make_client: MakeClient) -> None:
    client = make_client(Careless(), allow_origin=["http://127.0.0.1:9000"])
    early = {"messages": [{"role": "user", "content": "early"}]}
    reply = client.post("/prompt", json=early, headers={"Origin": "http://127.0.0.1:9000"})
    assert reply.status_code == 500
    assert reply.headers["access-control-allow-origin"] == "http://127.0.0.1:9000"


def test_only_named_origins_may_read(make_client: MakeClient) -> None:
    client = make_client(allow_origin=["http://127.0.0.1:9000"])
    page = client.get("/info", headers={"Origin": "http://127.0.0.1:9000"})
    assert page.headers["access-control-allow-origin"] == "http://127.0.0.1:9000"
    assert "X-Request-Id" in page.headers["access-control-expose-headers"]
    other = client.get("/info", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    assert client.options("/generate", headers=asked).status_code == 400


def test_another_site_s_name_for_this_machine_is_refused(client: TestClient) -> None:
    refused = client.get("/info", headers={"Host": "evil.example"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_host")
    assert refused.headers["x-request-id"]
    assert client.get("/info", headers={"Host": "localhost:8081"}).status_code == 200
    assert client.get("/info", headers={"Host": "[::1]:8081"}).status_code == 200


def test_names_of_allow_host_are_accepted(make_client: MakeClient) -> None:
    client = make_client(allow_host=["gpu-box"])
    assert client.get("/info", headers={"Host": "GPU-box:8081"}).status_code == 200
    assert client.get("/info", headers={"Host": "192.168.1.7:8081"}).status_code == 200
    assert client.get("/info", headers={"Host": ""}).status_code == 400
