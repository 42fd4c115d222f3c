"""The flags of `chatzoo serve`, built from the fields of `WorkerConfig`."""

import inspect
import re
import types
from collections.abc import Callable
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from rich.markup import escape

from bots.options import Option, options_of


def takes_options_of(config: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that gives a command one flag for each option of `config`.

    The command receives them in its `**flags`. A flag that is not given is None, so that the
    environment or the file can decide. The command's own parameters come after those flags.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        given = inspect.signature(command, eval_str=True).parameters.values()
        others = [item for item in given if item.kind is not inspect.Parameter.VAR_KEYWORD]
        flags = [_parameter(option) for option in options_of(config)]
        # typer reads the signature of a command, and this one takes the place of the written one.
        command.__signature__ = inspect.Signature([*flags, *others])  # type: ignore[attr-defined]
        return command

    return decorate


def _parameter(option: Option) -> inspect.Parameter:
    flag = typer.Option(
        help=help_text(option), rich_help_panel=option.panel, hidden=option.hub_only
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[flag_type(option.annotation) | None, flag],
    )


def flag_type(annotation: Any) -> Any:
    """The type in which typer reads a flag: bool, int, float, a list of texts, or text.

    Everything else (choices, secrets, origins) is text here and checked by the config.
    """
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not types.NoneType)
    if get_origin(annotation) is list:
        return list[str]
    return annotation if annotation in (bool, int, float) else str


def describe_default(option: Option) -> str:
    """The default of an option in words; "" for none."""
    if option.default_text:
        return option.default_text
    if isinstance(option.default, bool):
        return "yes" if option.default else "no"
    return str(option.default) if option.default not in (None, "", []) else ""


def help_text(option: Option) -> str:
    """The help of a flag in rich's markup: Markdown's code becomes bold, the default is dim."""
    text = re.sub(r"`([^`]+)`", r"[bold]\1[/]", escape(f"{option.help}."))
    default = describe_default(option)
    return f"{text} [dim]{escape(f'[default: {default}]')}[/]" if default else text
