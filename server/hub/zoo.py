"""Reads a zoo file: which workers the hub starts, and with which options.

    host: 127.0.0.1
    port: 8080
    workers:
      - name: SmolLM2
        pretrained-path: builtin:smollm2

An entry of `workers` has the options of `chatzoo serve` (with dashes or underscores), `config` (a
file with more of them), and `env` (variables of its process). Starts nothing.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bots.errors import ConfigError
from bots.options import options_of
from bots.registry.registry import check_path, find_bot
from server.http.address import origins_of
from server.hub.schema import MAX_WORKERS, plain_name
from server.hub.zoo_worker import ZooWorker
from server.worker.config import WorkerConfig, explain, parse_config, read_options

HUB_PORT = 8080
FIRST_WORKER_PORT = 8081


class ZooFile(BaseModel):
    """The keys of the file. Entries of workers are checked one by one, so that errors name them.

    `host` is also where workers listen that have no `host` of their own; `allow_host` is for the
    hub and its workers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(HUB_PORT, ge=1, le=65535)
    allow_host: list[str] = Field(default_factory=list)
    workers: list[dict[str, Any]] = Field(default_factory=list, max_length=MAX_WORKERS)


class _EntryKeys(BaseModel):
    """The keys of an entry that are no options of a worker."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    env: dict[str, str] = Field(default_factory=dict)
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry with the options of its `config` file merged in."""

    options: dict[str, Any]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Zoo:
    """The checked content of a zoo file."""

    host: str
    port: int
    workers: tuple[ZooWorker, ...]
    allow_host: tuple[str, ...] = ()


def load_zoo(
    path: Path, *, host: str | None = None, port: int | None = None, cores: int | None = None
) -> Zoo:
    """Read a zoo file; `host` and `port` win over those in it.

    `cores` are the processor cores that the workers share; None means those of this process.
    Raises ConfigError: one sentence that names the fault and its place.
    """
    if not path.is_file():
        raise ConfigError(f"There is no zoo file {str(path)!r}.")
    flags = {"host": host, "port": port}
    data = read_options(path) | {name: value for name, value in flags.items() if value is not None}
    try:
        file = ZooFile.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from None
    workers = tuple(_read_workers(file, path, cores or available_cores()))
    zoo = Zoo(file.host, file.port, workers, tuple(file.allow_host))
    _check_unique(zoo, path)
    return zoo


def available_cores() -> int:
    """The number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read_workers(file: ZooFile, path: Path, cores: int) -> Iterator[ZooWorker]:
    # Each worker computes with its share of the cores: threads of several models that compete for
    # the same cores slow each other down.
    share = max(1, cores // max(1, len(file.workers)))
    entries: list[_Entry] = []
    for number, raw in enumerate(file.workers, 1):
        with _naming_worker(path, number):
            entries.append(_merge_config(raw))
    # All given ports are known before the first free one is chosen.
    taken = {file.port, *(entry.options.get("port") for entry in entries)}
    free = (port for port in count(FIRST_WORKER_PORT) if port not in taken)
    origins = origins_of(file.host, file.port)
    for number, entry in enumerate(entries, 1):
        with _naming_worker(path, number):
            defaults: dict[str, Any] = {"host": file.host, "allow_host": file.allow_host}
            defaults |= {"threads": _omp_threads(os.environ | entry.env) or share}
            if "port" not in entry.options:
                defaults["port"] = next(free)
            options = _parse(defaults | entry.options, origins)
            assert options.threads is not None
            _check_model(options)
            given = frozenset(entry.options)
            yield ZooWorker(_checked_name(options), options, given, options.threads, entry.env)


@contextmanager
def _naming_worker(path: Path, number: int) -> Iterator[None]:
    """Put the file and the number of the worker in front of the sentence of a ConfigError."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}, worker {number}: {error.message}") from None


def _merge_config(raw: Mapping[str, Any]) -> _Entry:
    """An entry with its options laid over those of its `config` file."""
    options = {str(name).replace("-", "_"): value for name, value in raw.items()}
    try:
        keys = _EntryKeys.model_validate(options)
    except ValidationError as error:
        raise ConfigError(explain(error)) from None
    for name in _EntryKeys.model_fields:
        options.pop(name, None)
    options = read_options(keys.config) | options
    for option in options_of(WorkerConfig):
        if option.hub_only and option.name in options:
            raise ConfigError(f"Only the hub gives the option {option.flag[2:]!r}.")
    if not any(options.get(name) for name in ("pretrained_path", "type", "bot")):
        raise ConfigError("Which model? Give pretrained-path, type or bot.")
    return _Entry(options, keys.env)


def _omp_threads(environment: Mapping[str, str]) -> int | None:
    """The number in OMP_NUM_THREADS; the first, if it lists several for nested regions."""
    first = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def _parse(values: dict[str, Any], origins: list[str]) -> WorkerConfig:
    """The checked options; the hub's own origins are always allowed."""
    options = parse_config(values, WorkerConfig)
    if options.port == 0:
        raise ConfigError("Option 'port': it cannot be 0, as the page needs a fixed address.")
    more = options.allow_origin if "allow_origin" in values else []
    return replace(options, allow_origin=list(dict.fromkeys([*origins, *more])))


def _check_model(options: WorkerConfig) -> None:
    """Raise ConfigError for a path or family that the worker would refuse at its start."""
    check_path(options.pretrained_path)
    check_path(options.tokenizer_path or "")
    find_bot(options.pretrained_path, family=options.type, bot=options.bot)


def _checked_name(options: WorkerConfig) -> str:
    try:
        return plain_name(options.display_name)
    except ValueError as error:
        raise ConfigError(f"Option 'name': {error}.") from None


def _check_unique(zoo: Zoo, path: Path) -> None:
    """Raise ConfigError for two equal names or ports."""
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
