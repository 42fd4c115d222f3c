"""The options of a worker, declared once, and how their values are merged.

Precedence: flags, environment (`CHATZOO_…`), `--config` file, defaults. Flags are built from these
fields in `server.cli.options`; the table in docs/protocol.md is written from them.
"""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BeforeValidator, ConfigDict, SecretStr, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bots.errors import ConfigError
from bots.options import option, options_of
from bots.settings import BotConfig
from server.http.address import worker_key

PAGE_ORIGINS = ["http://127.0.0.1:8080", "http://localhost:8080"]


def _split_at_commas(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _check_origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"{value!r} is not an origin such as http://127.0.0.1:8080")
    return f"{parts.scheme}://{parts.netloc}"


def _check_key(value: object) -> object:
    return worker_key(value) if isinstance(value, str) else value


Origin = Annotated[str, BeforeValidator(_check_origin)]
Texts = Annotated[list[str], BeforeValidator(_split_at_commas)]
Origins = Annotated[list[Origin], BeforeValidator(_split_at_commas)]
Key = Annotated[SecretStr | None, BeforeValidator(_check_key)]


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class WorkerConfig(BotConfig):
    """The options of one worker: those of its bot (`BotConfig`) and those of its process.

    Each field is a flag, an environment variable, a key of `--config` and zoo files, and a row in
    docs/protocol.md; `bots.options.option` describes the parts of a declaration.
    """

    type: str | None = option(
        None,
        "Model",
        "Model family; `chatzoo list` shows them. `echo` needs no model",
        default_text="by the path",
        first=True,
        selects_model=True,
    )
    bot: str | None = option(
        None,
        "Model",
        "A bot class of your own: `path/to/file.py:Class` or `module:Class`",
        first=True,
        selects_model=True,
    )

    host: str = option("127.0.0.1", "Address and access", "Address to listen on")
    port: int = option(
        8081, "Address and access", "Port to listen on; 0 takes a free one", ge=0, le=65535
    )
    api_key: Key = option(
        None,
        "Address and access",
        "Key that callers must send. Better in `CHATZOO_API_KEY`: other users see flags",
    )
    allow_origin: Origins = option(
        PAGE_ORIGINS,
        "Address and access",
        "Origin whose pages may call. Repeat the flag, or use commas in the variable",
        default_text="the hub's page",
    )
    allow_host: Texts = option(
        [],
        "Address and access",
        "Name of this machine that callers may use, besides addresses. Repeat the flag, or use"
        " commas in the variable",
    )

    max_queue: int = option(
        64, "Limits", "Requests that may wait; one more gets 429", ge=0, le=100_000
    )
    max_new_tokens: int = option(
        4096, "Limits", "Longest answer that a request may ask for; more gets 400", ge=1, le=131_072
    )
    max_messages: int = option(512, "Limits", "Most messages in a request; more gets 400", ge=1)
    max_body_bytes: int = option(
        4 * 1024 * 1024, "Limits", "Largest body of a request in bytes; more gets 413", ge=1024
    )
    max_conversations: int = option(
        1000,
        "Limits",
        "Conversations kept for callers with a `uid`; the least recently used goes first",
        ge=1,
    )
    conversation_ttl: float = option(
        3600, "Limits", "Seconds that such a conversation is kept after its last use", gt=0
    )
    request_timeout: float = option(
        600, "Limits", "Seconds until an answer is cut off, waiting included", gt=0
    )
    drain_timeout: float = option(
        30, "Limits", "Seconds that running answers may take after SIGTERM", ge=0
    )

    log_level: Literal["debug", "info", "warning", "error"] = option(
        "info", "Process", "Lowest level that is logged: `debug`, `info`, `warning` or `error`"
    )
    log_format: Literal["auto", "console", "json"] = option(
        "auto",
        "Process",
        "Format of the log: `console`, `json`, or `auto`: `console` on a terminal, else `json`",
    )
    exit_on_stdin_eof: bool = option(
        False, "Process", "End when standard input ends", hub_only=True
    )

    @property
    def display_name(self) -> str:
        """The name that people see: `name`, else one made from the path, the type or the class."""
        if self.name:
            return self.name
        if "://" in self.pretrained_path:
            endpoint = urlsplit(self.pretrained_path)
            return endpoint.fragment or endpoint.netloc.rpartition("@")[2]  # never a password
        last = self.pretrained_path.rstrip("/").rpartition("/")[2]
        return last or self.type or (self.bot or "").rpartition(":")[2] or "model"

    def bot_config(self) -> BotConfig:
        """The part that the bot reads, with `display_name` as its name."""
        values = {field.name: getattr(self, field.name) for field in fields(BotConfig)}
        return BotConfig(**values | {"name": self.display_name})


def load_config(
    flags: Mapping[str, Any],
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    config: type[WorkerConfig] = WorkerConfig,
) -> WorkerConfig:
    """Merge flags over environment over file over defaults.

    A flag that is None and a variable that is empty count as not given. Raises ConfigError with
    one sentence that names the option at fault.
    """
    env = os.environ if env is None else env
    variables = {option.name: env.get(option.variable, "") for option in options_of(config)}
    from_environment = {name: value for name, value in variables.items() if value}
    given = {name: value for name, value in flags.items() if value is not None}
    return parse_config({**read_options(file), **from_environment, **given}, config)


def parse_config(
    values: Mapping[str, Any], config: type[WorkerConfig] = WorkerConfig
) -> WorkerConfig:
    """Check the values of options by name.

    Raises ConfigError with one sentence that names the option at fault.
    """
    try:
        return TypeAdapter(config).validate_python(dict(values))
    except ValidationError as error:
        raise ConfigError(explain(error)) from None


def read_options(file: Path | None) -> dict[str, Any]:
    """The options in a YAML file, with dashes in names replaced by underscores.

    Raises ConfigError for a file that cannot be read or holds something else.
    """
    if file is None:
        return {}
    try:
        data = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {str(file)!r}: {error}.", param="config") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{str(file)!r} is not YAML: {error}.", param="config") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{str(file)!r} holds no options (name: value).", param="config")
    return {str(name).replace("-", "_"): value for name, value in data.items()}


def explain(error: ValidationError) -> str:
    """The first fault of a validation as one sentence that names the option."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"]).replace("_", "-")
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"There is no option {name!r}."
    return f"Option {name!r}: {first['msg'].removeprefix('Value error, ')}."
