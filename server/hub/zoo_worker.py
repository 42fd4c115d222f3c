"""One worker of a zoo file: its command line and the environment of its process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from bots.options import Option, options_of
from server.http.address import http_url, reachable
from server.worker.config import WorkerConfig

HUB_DECIDES = {"host", "port", "drain_timeout", "allow_origin", "allow_host"}
"""Options that a worker gets as flags even if its entry does not have them: flags win over the
variables that it inherits, and the hub relies on these values."""


@dataclass(frozen=True, slots=True)
class ZooWorker:
    """One worker of the file.

    `given` are the names of the options that its entry has; `env` are the variables of the entry.
    `threads` is the number of CPU threads that it computes with.
    """

    name: str
    options: WorkerConfig
    given: frozenset[str]
    threads: int
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its address, for programs on this machine."""
        return http_url(reachable(self.options.host), self.options.port)

    def arguments(self) -> list[str]:
        """The arguments after `python -m server`; no secrets, as every user of the machine can
        read command lines."""
        values = {name: getattr(self.options, name) for name in self.given | HUB_DECIDES}
        values |= {"name": self.name, "threads": self.threads, "exit_on_stdin_eof": True}
        arguments: list[str] = []
        for option in options_of(type(self.options)):
            arguments += _flags(option, values.get(option.name))
        return arguments

    def environment(self) -> dict[str, str]:
        """The environment of the worker's process: the hub's, then `env`, then secrets.

        Variables that select a model are not inherited. They win over what an entry leaves out, so
        that, for example, CHATZOO_REVISION of the hub would be the revision of every model.
        """
        options = options_of(type(self.options))
        kept_out = {option.variable for option in options if option.selects_model}
        environment = {"CHATZOO_LOG_FORMAT": "console"}  # "auto" would be JSON, as there is a pipe
        environment |= {name: text for name, text in os.environ.items() if name not in kept_out}
        environment |= {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": str(self.threads)}
        environment |= self.env
        for option in options:
            if isinstance(secret := getattr(self.options, option.name), SecretStr):
                environment[option.variable] = secret.get_secret_value()
        return environment


def _flags(option: Option, value: object) -> list[str]:
    """A value as arguments: none for None and for secrets, several for a list."""
    if value is None or isinstance(value, SecretStr):
        return []
    if isinstance(value, bool):
        return [option.flag if value else option.flag.replace("--", "--no-", 1)]
    values = value if isinstance(value, list) else [value]
    return [word for item in values for word in (option.flag, str(item))]
