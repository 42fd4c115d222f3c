"""The zoo file: which workers the hub starts, and with which options.

    host: 127.0.0.1
    port: 8080
    workers:
      - name: SmolLM2
        pretrained-path: builtin:smollm2

A worker takes its own flags (dashes or underscores), `config` (a file with more of them), and
`env` (environment variables of its process). This module reads; it starts nothing.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from bots.errors import ConfigError
from bots.options import Option, options_of
from bots.registry.registry import check_path, find_bot
from server.http.address import http_url, origins_of, reachable
from server.hub.schema import plain_name
from server.worker.config import WorkerConfig, explain, parse_config, read_options

HUB_PORT = 8080
FIRST_WORKER_PORT = 8081
HUB_DECIDES = {"host", "port", "drain_timeout", "allow_origin", "allow_host"}
"""Options that a worker gets as flags even where its entry does not have them."""


class ZooFile(BaseModel):
    """The file's own keys. The workers are read one by one, so that an error names its worker.

    `host` is also where the workers listen, unless a worker says otherwise; the names in
    `allow_host` are good for hub and workers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(HUB_PORT, ge=1, le=65535)
    allow_host: list[str] = Field(default_factory=list)
    workers: list[dict[str, Any]] = Field(default_factory=list, max_length=64)


class _HubOptions(BaseModel):
    """The keys of a worker that its process does not know as flags."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    env: dict[str, str] = Field(default_factory=dict)
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class ZooWorker:
    """One worker of the file: its options, which of them were given, and its environment.

    `threads` is the number of processor threads that it computes with.
    """

    name: str
    options: WorkerConfig
    given: frozenset[str]
    threads: int
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        return http_url(reachable(self.options.host), self.options.port)

    def arguments(self) -> list[str]:
        """The command line after `python -m server`. Never a secret: every user can read it."""
        # Always given: the hub decides these, or must know them, whatever its environment holds.
        values = {name: getattr(self.options, name) for name in self.given | HUB_DECIDES}
        values |= {"name": self.name, "threads": self.threads, "exit_on_stdin_eof": True}
        found: list[str] = []
        for option in options_of(type(self.options)):
            found += _flags(option, values.get(option.name))
        return found

    def environment(self) -> dict[str, str]:
        """The environment of the worker's process.

        It is the hub's, without the variables that would choose a model for a worker whose entry
        leaves them out. `env` of the entry comes last; secrets are added, as flags are visible.
        """
        options = options_of(type(self.options))
        left_out = {option.variable for option in options if option.selects_model}
        found = {"CHATZOO_LOG_FORMAT": "console"}
        found |= {name: text for name, text in os.environ.items() if name not in left_out}
        found |= {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": str(self.threads)}
        found |= self.env
        for option in options:
            if isinstance(secret := getattr(self.options, option.name), SecretStr):
                found[option.variable] = secret.get_secret_value()
        return found


@dataclass(frozen=True, slots=True)
class Zoo:
    """A zoo file, read and checked."""

    host: str
    port: int
    workers: tuple[ZooWorker, ...]
    allow_host: tuple[str, ...] = ()


def load_zoo(path: Path, *, host: str | None = None, port: int | None = None) -> Zoo:
    """Read a zoo file; `host` and `port` win over what it says.

    Raises ConfigError: one sentence that names what is wrong and where.
    """
    if not path.is_file():
        raise ConfigError(f"There is no zoo file {str(path)!r}.")
    asked = {"host": host, "port": port}
    data = read_options(path) | {name: value for name, value in asked.items() if value is not None}
    try:
        file = ZooFile.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from None
    zoo = Zoo(file.host, file.port, tuple(_workers(file, path)), tuple(file.allow_host))
    _check_unique(zoo, path)
    return zoo


def available_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _threads_in(environment: Mapping[str, str]) -> int | None:
    """What OMP_NUM_THREADS says; it may list numbers for nested regions, too."""
    first = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def _workers(file: ZooFile, path: Path) -> Iterator[ZooWorker]:
    share = max(1, available_cores() // max(1, len(file.workers)))
    entries: list[tuple[dict[str, Any], dict[str, str]]] = []
    for number, raw in enumerate(file.workers, 1):
        with _told_where(path, number):
            entries.append(_merged(raw))
    taken = {file.port, *(entry.get("port") for entry, _ in entries)}
    free = (port for port in count(FIRST_WORKER_PORT) if port not in taken)
    origins = origins_of(file.host, file.port)
    for number, (entry, env) in enumerate(entries, 1):
        with _told_where(path, number):
            given = frozenset(entry)
            defaults: dict[str, Any] = {"host": file.host, "allow_host": file.allow_host}
            defaults |= {"threads": _threads_in(os.environ | env) or share}
            if "port" not in entry:
                defaults["port"] = next(free)
            options = _options(defaults | entry, origins)
            assert options.threads is not None
            _check_model(options)
            yield ZooWorker(_name(options), options, given, options.threads, env)


def _flags(option: Option, value: object) -> list[str]:
    """A value as flags: none for None and for secrets, several for a list."""
    if value is None or isinstance(value, SecretStr):
        return []
    if isinstance(value, bool):
        return [option.flag if value else option.flag.replace("--", "--no-", 1)]
    values = value if isinstance(value, list) else [value]
    return [word for one in values for word in (option.flag, str(one))]


@contextmanager
def _told_where(path: Path, number: int) -> Iterator[None]:
    """Put the worker's place in the file in front of a ConfigError's sentence."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}, worker {number}: {error.message}") from None


def _merged(raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A worker's options over those of its `config` file, and its `env`."""
    entry = {str(name).replace("-", "_"): value for name, value in raw.items()}
    try:
        ours = _HubOptions.model_validate(entry)
    except ValidationError as error:
        raise ConfigError(explain(error)) from None
    for name in _HubOptions.model_fields:
        entry.pop(name, None)
    merged = read_options(ours.config) | entry
    for option in options_of(WorkerConfig):
        if option.hub_only and option.name in merged:
            raise ConfigError(f"Only the hub gives the option {option.flag[2:]!r}.")
    if not any(merged.get(name) for name in ("pretrained_path", "type", "bot")):
        raise ConfigError("Which model? Give pretrained-path, type or bot.")
    return merged, ours.env


def _options(values: dict[str, Any], origins: list[str]) -> WorkerConfig:
    options = parse_config(values, WorkerConfig)
    if options.port == 0:
        raise ConfigError("Option 'port': the hub must know it, so it cannot be 0.")
    more = options.allow_origin if "allow_origin" in values else []
    return replace(options, allow_origin=list(dict.fromkeys([*origins, *more])))


def _check_model(options: WorkerConfig) -> None:
    """Raise ConfigError for what the worker would find wrong at its start."""
    check_path(options.pretrained_path)
    check_path(options.tokenizer_path or "")
    find_bot(options.pretrained_path, family=options.type, bot=options.bot)


def _name(options: WorkerConfig) -> str:
    try:
        return plain_name(options.display_name)
    except ValueError as error:
        raise ConfigError(f"Option 'name': {error}.") from None


def _check_unique(zoo: Zoo, path: Path) -> None:
    owners: dict[int, str] = {zoo.port: "the hub"}
    names: set[str] = set()
    for worker in zoo.workers:
        if worker.name in names:
            raise ConfigError(f"{path}: two workers have the name {worker.name!r}.")
        names.add(worker.name)
        port = worker.options.port
        if port in owners:
            raise ConfigError(
                f"{path}: {worker.name!r} and {owners[port]} have the same port, {port}."
            )
        owners[port] = repr(worker.name)
