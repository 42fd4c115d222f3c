"""A worker's options: one declaration for flags, environment and file.

Precedence: command line, then environment (`CHATZOO_…`), then the `--config` file, then defaults.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from bots.errors import ConfigError
from bots.settings import BotConfig, Quantization
from server.http.address import worker_key

ENV_PREFIX = "CHATZOO_"
PAGE_ORIGINS = ["http://127.0.0.1:8080", "http://localhost:8080"]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"{value!r} is not an origin such as http://127.0.0.1:8080")
    return f"{parts.scheme}://{parts.netloc}"


def _devices(value: object) -> object:
    if isinstance(value, int):  # YAML reads a single number as one
        value = str(value)
    if isinstance(value, str) and not re.fullmatch(r"auto|cpu|(cuda:)?\d+(,(cuda:)?\d+)*", value):
        raise ValueError(f"{value!r} is none of auto, cpu, or GPU numbers such as 0,1")
    return value


def _key(value: object) -> object:
    return worker_key(value) if isinstance(value, str) else value


Origin = Annotated[str, BeforeValidator(_origin)]


class WorkerConfig(BaseModel):
    """The options of one worker. Each field is a flag (`--max-queue`) and an environment variable
    (`CHATZOO_MAX_QUEUE`) of the same name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pretrained_path: str = ""
    type: str | None = None
    bot: str | None = None
    tokenizer_path: str | None = None
    base_model: str | None = None
    merge_adapter: bool = False
    devices: Annotated[str, BeforeValidator(_devices)] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantization: Quantization = "auto"
    max_memory: str | None = None
    offload_folder: str | None = None
    kv_memory: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    threads: int | None = Field(None, ge=1, le=1024)

    name: str | None = Field(None, max_length=200)
    host: str = "127.0.0.1"
    port: int = Field(8081, ge=0, le=65535)
    api_key: Annotated[SecretStr | None, BeforeValidator(_key)] = None
    allow_origin: Annotated[list[Origin], BeforeValidator(_split)] = PAGE_ORIGINS

    allow_host: Annotated[list[str], BeforeValidator(_split)] = Field(default_factory=list)

    max_running: int | None = Field(None, ge=1, le=4096)
    max_queue: int = Field(64, ge=0, le=100_000)
    max_new_tokens: int = Field(4096, ge=1, le=131_072)
    max_messages: int = Field(512, ge=1)
    max_body_bytes: int = Field(4 * 1024 * 1024, ge=1024)
    max_conversations: int = Field(1000, ge=1)
    conversation_ttl: float = Field(3600, gt=0)
    request_timeout: float = Field(600, gt=0)
    drain_timeout: float = Field(30, ge=0)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"
    exit_on_stdin_eof: bool = False

    @property
    def display_name(self) -> str:
        """The name people see: the one given, else what the path or the type says."""
        if self.name:
            return self.name
        if "://" in self.pretrained_path:
            endpoint = urlsplit(self.pretrained_path)
            return endpoint.fragment or endpoint.netloc.rpartition("@")[2]  # never a password
        last = self.pretrained_path.rstrip("/").rpartition("/")[2]
        return last or self.type or (self.bot or "").rpartition(":")[2] or "model"

    def bot_config(self) -> BotConfig:
        """The part that the bot reads."""
        return BotConfig(
            pretrained_path=self.pretrained_path,
            name=self.display_name,
            tokenizer_path=self.tokenizer_path,
            base_model=self.base_model,
            merge_adapter=self.merge_adapter,
            devices=self.devices,
            dtype=self.dtype,
            quantization=self.quantization,
            max_memory=self.max_memory,
            offload_folder=self.offload_folder,
            kv_memory=self.kv_memory,
            revision=self.revision,
            trust_remote_code=self.trust_remote_code,
            max_running=self.max_running,
            threads=self.threads,
        )


def load_config(
    flags: Mapping[str, Any], file: Path | None = None, env: Mapping[str, str] | None = None
) -> WorkerConfig:
    """Merge flags over environment over file. Flags that are None were not given.

    Raises ConfigError with one sentence that names the option at fault.
    """
    env = os.environ if env is None else env
    names = WorkerConfig.model_fields
    found = {n: env[key] for n in names if env.get(key := ENV_PREFIX + n.upper(), "") != ""}
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return WorkerConfig.model_validate({**read_options(file), **found, **given})
    except ValidationError as error:
        raise ConfigError(explain(error)) from None


def read_options(file: Path | None) -> dict[str, Any]:
    """The options in a YAML file, dashes in names read as underscores. Raises ConfigError."""
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
    option = ".".join(str(part) for part in first["loc"]).replace("_", "-")
    if first["type"] == "extra_forbidden":
        return f"There is no option {option!r}."
    return f"Option {option!r}: {first['msg'].removeprefix('Value error, ')}."
