"""How an option is declared: one field gives its flag, variable, zoo key, help and table row.

Knows how options are declared and spelled. Which ones exist is in `bots.settings.BotConfig` (what
a bot reads) and `server.worker.config.WorkerConfig` (all of a worker).
"""

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from pydantic import Field
from pydantic.fields import FieldInfo

Panel = Literal["Model", "Address and access", "Limits", "Process"]
"""The groups of `chatzoo serve --help`, in the order of the help and of the table."""

ENV_PREFIX = "CHATZOO_"


def option(
    default: Any,
    panel: Panel,
    help: str,
    *,
    default_text: str = "",
    details: str = "",
    first: bool = False,
    selects_model: bool = False,
    hub_only: bool = False,
    **limits: Any,
) -> Any:
    """A field of a config that is an option.

    `help` is Markdown without a final full stop. `default_text` names a default that is no value,
    such as "a quarter of what is free". `details` are sentences for the reference alone. `first`
    places it before the others of its panel. `selects_model` marks what belongs to one model, so
    that workers of a zoo do not inherit it from the hub's environment. `hub_only` marks what the
    hub alone may give to its workers; no help shows it. `limits` are pydantic's (`ge`, `le`,
    `max_length` …).
    """
    about: dict[str, Any] = {
        "panel": panel,
        "default_text": default_text,
        "details": details,
        "first": first,
        "selects_model": selects_model,
        "hub_only": hub_only,
    }
    return Field(default, description=help, json_schema_extra=about, **limits)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a config: see `option` for its parts."""

    name: str
    annotation: Any
    default: Any
    help: str
    panel: Panel
    default_text: str
    details: str
    first: bool
    selects_model: bool
    hub_only: bool

    @property
    def flag(self) -> str:
        """`--max-queue`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """`CHATZOO_MAX_QUEUE`."""
        return ENV_PREFIX + self.name.upper()


def options_of(config: type[Any]) -> list[Option]:
    """The options of a pydantic dataclass, by panel, `first` ones first, then as declared."""
    fields = cast("dict[str, FieldInfo]", config.__pydantic_fields__)
    panels = get_args(Panel)
    options = [
        Option(
            name=name,
            annotation=field.annotation,
            default=field.default,
            help=field.description or "",
            **cast("dict[str, Any]", field.json_schema_extra),
        )
        for name, field in fields.items()
    ]
    return sorted(options, key=lambda option: (panels.index(option.panel), not option.first))
