"""How a bot is loaded (`BotConfig`) and how it answers one request (`BotSettings`).

A field of `BotSettings` declares type, range and control of a setting; bots define its effect.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
)
from typing_extensions import TypeVar

from bots.errors import InvalidRequest

Control = Literal["slider", "number", "select", "switch", "text", "hidden"]

Quantization = Literal["auto", "none", "int8", "gptq", "bnb-8bit", "bnb-4bit", "torchao-int8"]


@dataclass(frozen=True, slots=True)
class BotConfig:
    """How a bot is loaded. Every bot reads the fields that mean something to it.

    `pretrained_path`: a local folder or file, a hub id, `builtin:NAME`, or the URL of an endpoint.
    `devices`: "auto", "cpu", or the numbers of the GPUs to use, such as "0,1".
    `dtype`: "auto", "float32", "bfloat16" or "float16".
    `quantization`: one of `Quantization`: "auto" as the checkpoint is, "none" at full size, "gptq"
    as it is and GPTQ, the others made while weights are read.
    `base_model`: where the model is whose adapter is at `pretrained_path`; `merge_adapter` adds
    the adapter to its weights once instead of at each step.
    `max_memory`: what may be filled, "0=20GiB,cpu=64GiB"; the rest goes to `offload_folder`.
    `kv_memory`: what keys and values of running and earlier requests may take, "4GiB".
    `max_running`: how many requests will run at once; a bot with slots makes that many.
    `threads`: CPU threads to compute with; None leaves it to the library.
    """

    pretrained_path: str = ""
    name: str = ""
    tokenizer_path: str | None = None
    base_model: str | None = None
    merge_adapter: bool = False
    devices: str = "auto"
    dtype: str = "auto"
    quantization: str = "auto"
    max_memory: str | None = None
    offload_folder: str | None = None
    kv_memory: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    max_running: int | None = None
    threads: int | None = None


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
