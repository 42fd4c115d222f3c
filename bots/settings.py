"""How a bot is loaded (`BotConfig`) and how it answers one request (`BotSettings`).

A field of `BotSettings` declares type, range and control of a setting; bots define its effect.
"""

import re
from collections.abc import Mapping
from copy import copy
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeVar

from bots.errors import InvalidRequest
from bots.options import option

Control = Literal["slider", "number", "select", "switch", "text", "hidden"]

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Quantization = Literal["auto", "none", "int8", "gptq", "bnb-8bit", "bnb-4bit", "torchao-int8"]


def _check_devices(value: object) -> object:
    if isinstance(value, int):  # YAML reads a single GPU number as an integer
        value = str(value)
    if isinstance(value, str) and not re.fullmatch(r"auto|cpu|(cuda:)?\d+(,(cuda:)?\d+)*", value):
        raise ValueError(f"{value!r} is none of auto, cpu, or GPU numbers such as 0,1")
    return value


def _none_as_empty(value: object) -> object:
    return "" if value is None else value


@pydantic_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class BotConfig:
    """How a bot is loaded. Each bot reads the fields that apply to it.

    These fields are options of a worker, too: `server.worker.config.WorkerConfig` inherits them.
    """

    pretrained_path: str = option(
        "",
        "Model",
        "Model to serve: a folder, a GGUF file, a hub id, `builtin:smollm2`,"
        " `builtin:smollm2-gguf`, or the URL of an OpenAI-compatible endpoint",
        first=True,
        selects_model=True,
    )
    name: Annotated[str, BeforeValidator(_none_as_empty)] = option(
        "",
        "Address and access",
        "Name that people see",
        default_text="from the path",
        first=True,
        selects_model=True,
        max_length=200,
    )
    tokenizer_path: str | None = option(
        None,
        "Model",
        "Folder or hub id of the tokenizer, where it is not beside the model",
        default_text="the model's",
        selects_model=True,
    )
    base_model: str | None = option(
        None,
        "Model",
        "Base of the LoRA adapter at `--pretrained-path`: a folder or a hub id",
        selects_model=True,
    )
    merge_adapter: bool = option(
        False,
        "Model",
        "Add the adapter to the base's weights once instead of at each step",
        details="Faster, and rounded once more where weights are half precision.",
    )
    devices: Annotated[str, BeforeValidator(_check_devices)] = option(
        "auto", "Model", "`auto`, `cpu`, or the numbers of the GPUs to use, such as `0,1`"
    )
    dtype: Dtype = option(
        "auto",
        "Model",
        "Type of the weights: `auto` (the checkpoint's own), `float32`, `bfloat16` or `float16`",
        details="On a CPU, float16 means weights of float16 and arithmetic of float32, and `auto`"
        " chooses it for checkpoints of half precision"
        " ([ADR 8](adr/0008-half-precision-on-a-cpu.md)).",
    )
    quantization: Quantization = option(
        "auto",
        "Model",
        "`auto`: as the checkpoint is; `gptq`: as `auto`, refused where it is not GPTQ; `none`:"
        " full size; made on load: `int8`, `bnb-8bit`, `bnb-4bit`, `torchao-int8`",
        details="What is made on load are the linear layers; bitsandbytes and torchao are the"
        " extras `bnb` and `torchao`.",
    )
    max_memory: str | None = option(
        None,
        "Model",
        "Memory that the model may fill, by GPU number and `cpu`, such as `0=20GiB,cpu=64GiB`;"
        " the rest goes to disk",
        default_text="all there is",
    )
    offload_folder: str | None = option(
        None,
        "Model",
        "Folder for weights that fit nowhere else; they are removed at the end",
        default_text="in the cache",
    )
    kv_memory: str | None = option(
        None,
        "Model",
        "Memory for the KV caches of running and earlier requests, such as `4GiB`; requests that"
        " do not fit wait",
        default_text="a quarter of what is free",
    )
    revision: str | None = option(
        None, "Model", "Branch, tag or commit on the hub of models", selects_model=True
    )
    trust_remote_code: bool = option(False, "Model", "Run Python code that comes with the model")
    max_running: int | None = option(
        None,
        "Limits",
        "Requests answered at once; never more than the bot can",
        default_text="what the model can",
        ge=1,
        le=4096,
    )
    threads: int | None = option(
        None,
        "Model",
        "CPU threads to compute with, 1 to 1024",
        default_text="the library's choice",
        ge=1,
        le=1024,
    )


def control(
    default: Any,
    kind: Control,
    title: str,
    description: str,
    *,
    step: float | None = None,
    **limits: Any,
) -> Any:
    """A field of a settings class, and the control that the page draws for it.

    `limits` are those of pydantic (`ge`, `gt`, `le`, `lt`, `max_length` …). They are checked for
    each request, and a slider ends at them.
    """
    extra: dict[str, Any] = {"x-control": kind}
    if step is not None:
        extra["x-step"] = step
    return Field(default, title=title, description=description, json_schema_extra=extra, **limits)


class BotSettings(BaseModel):
    """The settings of one request; immutable, without undeclared fields.

    A bot adds settings by subclassing. Each field is one control of the page and one name allowed
    in the `params` of a request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_new_tokens: int = control(
        512, "slider", "Max new tokens", "The answer ends after this many tokens.", ge=0, le=131072
    )
    stop: tuple[Annotated[str, StringConstraints(max_length=500)], ...] = control(
        (), "hidden", "Stop texts", "The answer ends before the first of these.", max_length=16
    )

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Self:
        """Validate the `params` of a request.

        Raises InvalidRequest that names the first field at fault.
        """
        try:
            return cls.model_validate(dict(params))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = str(first["loc"][0]) if first["loc"] else None
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields)
                message = f"This model has no setting {name!r}. It has: {known}."
            else:
                message = f"{name}: {first['msg']}."
            raise InvalidRequest(message, param=name) from None


S = TypeVar("S", bound=BotSettings, default=Any)
"""The settings of one bot. The default lets `class MyBot(ChatBot)` do without generics."""


def with_defaults(settings: type[S], **defaults: Any) -> type[S]:
    """A subclass of `settings` with other defaults; title, limits and control stay the same.

    Raises TypeError for an unknown name, and ValidationError for a value outside its limits.
    """
    fields: dict[str, Any] = {}
    for name, value in defaults.items():
        if name not in settings.model_fields:
            raise TypeError(f"{settings.__name__} has no setting {name!r}")
        field = copy(settings.model_fields[name])
        field.default = value
        fields[name] = (field.rebuild_annotation(), field)
    settings.model_validate(defaults)
    return create_model(settings.__name__, __base__=settings, __doc__=settings.__doc__, **fields)
