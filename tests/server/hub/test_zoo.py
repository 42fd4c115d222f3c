"""The zoo file: what it may contain, and the options that workers get from it."""

from pathlib import Path

import pytest

from bots.errors import ConfigError
from server.hub.zoo import Zoo, load_zoo

ROOT = Path(__file__).parents[3]


def read(tmp_path: Path, text: str, **changes: object) -> Zoo:
    path = tmp_path / "zoo.yaml"
    path.write_text(text, "utf-8")
    return load_zoo(path, **changes)  # type: ignore[arg-type]


def after(flag: str, arguments: list[str]) -> str:
    return arguments[arguments.index(flag) + 1]


def test_the_demo_is_two_forms_of_one_model() -> None:
    zoo = load_zoo(ROOT / "configs" / "demo.yaml")
    assert (zoo.host, zoo.port) == ("127.0.0.1", 8080)
    assert [worker.url for worker in zoo.workers] == [
        "http://127.0.0.1:8081",
        "http://127.0.0.1:8082",
    ]
    first = zoo.workers[0].arguments()
    assert after("--pretrained-path", first) == "builtin:smollm2"
    assert after("--dtype", first) == "float32"
    assert "--exit-on-stdin-eof" in first


def test_free_ports_are_given_around_those_that_are_taken(tmp_path: Path) -> None:
    zoo = read(
        tmp_path,
        """
        port: 8082
        workers:
          - {type: echo, name: a}
          - {type: echo, name: b, port: 8083}
          - {type: echo, name: c}
        """,
    )
    assert [worker.options.port for worker in zoo.workers] == [8081, 8083, 8084]


def test_flags_with_dashes_and_underscores(tmp_path: Path) -> None:
    zoo = read(
        tmp_path,
        """
        workers:
          - name: a
            pretrained-path: model
            max_running: 2
            trust-remote-code: false
            drain-timeout: 5
        """,
    )
    arguments = zoo.workers[0].arguments()
    assert after("--pretrained-path", arguments) == "model"
    assert after("--max-running", arguments) == "2"
    assert after("--drain-timeout", arguments) == "5.0"
    assert "--no-trust-remote-code" in arguments
    assert "--max-queue" not in arguments


def test_the_hubs_addresses_are_allowed_origins(tmp_path: Path) -> None:
    text = "workers: [{type: echo, allow-origin: ['https://page.example']}]"
    arguments = read(tmp_path, text, port=9000).workers[0].arguments()
    origins = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--allow-origin"]
    assert origins == ["http://127.0.0.1:9000", "http://localhost:9000", "https://page.example"]


def test_workers_listen_where_the_hub_does(tmp_path: Path) -> None:
    text = "workers: [{type: echo, name: a}, {type: echo, name: b, host: 127.0.0.1}]"
    first, second = read(tmp_path, text, host="0.0.0.0").workers
    assert after("--host", first.arguments()) == "0.0.0.0"
    assert first.url == "http://127.0.0.1:8081"
    assert after("--host", second.arguments()) == "127.0.0.1"


def test_names_are_for_people_everywhere(tmp_path: Path) -> None:
    assert read(tmp_path, "workers: [{type: echo, name: 猫 👩‍👩‍👧}]").workers[0].name == "猫 👩‍👩‍👧"


def test_cores_are_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    text = """
    workers:
      - {type: echo, name: a}
      - {type: echo, name: b, threads: 3}
      - {type: echo, name: c, env: {OMP_NUM_THREADS: 1, TOKEN: x}}
      - {type: echo, name: d}
    """
    a, b, c, _ = read(tmp_path, text, cores=9).workers
    assert after("--threads", a.arguments()) == "2"
    assert a.environment()["OMP_NUM_THREADS"] == "2"
    assert after("--threads", b.arguments()) == "3"
    assert b.environment()["OMP_NUM_THREADS"] == "3"
    assert c.environment() == a.environment() | {"OMP_NUM_THREADS": "1", "TOKEN": "x"}
    assert after("--threads", c.arguments()) == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "7,2")
    a, b, c, _ = read(tmp_path, text, cores=9).workers
    assert [worker.threads for worker in (a, b, c)] == [7, 3, 1]


def test_a_config_file_lies_under_the_entry(tmp_path: Path) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text("type: echo\nmax-queue: 5\nport: 9001\n")
    text = f"workers: [{{name: a, config: '{preset}', max-queue: 6}}]"
    worker = read(tmp_path, text).workers[0]
    assert worker.options.port == 9001
    assert after("--max-queue", worker.arguments()) == "6"
    assert after("--type", worker.arguments()) == "echo"
    assert "--config" not in worker.arguments()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wrokers: []", "There is no option 'wrokers'."),
        ("port: 0", "Option 'port'"),
        ("- a", "holds no options"),
        ("workers: [", "is not YAML"),
        ("workers: [{type: echo, prot: 1}]", "worker 1: There is no option 'prot'."),
        ("workers: [{type: echo}, {name: x}]", "worker 2: Which model?"),
        ("workers: [{type: echo, dtype: int3}]", "worker 1: Option 'dtype'"),
        ("workers: [{type: echo, port: 0}]", "worker 1: Option 'port'"),
        ("workers: [{type: echo, port: 8080}]", "'echo' and the hub have the same port, 8080."),
        (
            "workers: [{type: echo, port: 9, name: a}, {type: echo, port: 9, name: b}]",
            "'b' and 'a' have the same port, 9.",
        ),
        ("workers: [{type: echo}, {type: echo}]", "two workers have the name 'echo'."),
        ("workers: [{type: echo, exit-on-stdin-eof: true}]", "Only the hub gives the option"),
        ('workers: [{type: echo, name: "a\\0b"}]', "worker 1: Option 'name'"),
        ('workers: [{type: echo, name: "a\\eb"}]', "worker 1: Option 'name'"),
        ('workers: [{pretrained-path: "a\\nb"}]', "worker 1: Option 'name'"),
        ("workers: [{type: echo}, {type: ech}]", "worker 2: Unknown model type 'ech'. Did you"),
        ("workers: [{pretrained-path: ./none.gguf}]", "worker 1: There is nothing at './none"),
        ("workers: [{type: echo, env: 3}]", "worker 1: Option 'env'"),
        ("workers: [{type: echo, config: missing.yaml}]", "worker 1: Cannot read 'missing.yaml'"),
    ],
)
def test_a_fault_is_one_sentence_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert message in caught.value.message
    assert str(tmp_path / "zoo.yaml") in caught.value.message


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no zoo file"):
        load_zoo(tmp_path / "none.yaml")
