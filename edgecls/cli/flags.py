"""A method's options as flags of its command, in sections of its help."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from edgecls.core import Method
from edgecls.train.options import AugmentOptions, FitOptions

DATA_HELP = (
    "A folder with one folder a class, a manifest.csv, MNIST or CIFAR files, torchvision:NAME "
    "[default: the embedded digits]"
)
# Section of --help -> the options of it; the rest are the method's own.
SECTIONS = {
    "Training": frozenset(FitOptions.model_fields) - frozenset(AugmentOptions.model_fields),
    "Augmentation": frozenset(AugmentOptions.model_fields),
}


class Sectioned(click.Command):
    """A command whose help lists its options in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows: dict[str, list[tuple[str, str]]] = {"Options": [], **{name: [] for name in SECTIONS}}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                rows[_section(parameter.name or "")].append(record)
        for name, records in rows.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)


def _section(name: str) -> str:
    return next((section for section, names in SECTIONS.items() if name in names), "Options")


class Numbers(click.ParamType[list[float]]):
    """Numbers with commas between them."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[float]:
        if isinstance(value, list):
            return value
        try:
            return [float(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} is not numbers with commas between them, such as 0.5,0.75")


def flags(method: Method) -> list[Callable[..., Any]]:
    """A click option for each of the method's options; its own come first."""
    common = frozenset().union(*SECTIONS.values())
    fields = sorted(method.Options.model_fields.items(), key=lambda field: field[0] in common)
    return [_flag(method, name, field) for name, field in fields]


def _flag(method: Method, name: str, field: FieldInfo) -> Callable[..., Any]:
    """A pydantic field as a click option; pydantic checks bounds, click the type."""
    shown = f"--{name.replace('_', '-')}"
    settings: dict[str, Any] = {"help": field.description, "required": field.is_required()}
    if not field.is_required() and field.default is not None:
        settings["help"] = f"{field.description or ''} [default: {_text(field.default)}]".strip()
    kind = _without_none(field.annotation)
    if name in method.parents:
        settings["type"] = click.Path(exists=True, file_okay=False)
    elif kind == list[str]:
        settings["type"] = str
    elif kind is bool:
        shown = f"{shown}/--no-{name.replace('_', '-')}"
        settings["default"] = None
    elif get_origin(kind) is Literal:
        settings["type"] = click.Choice(list(get_args(kind)))
    elif get_origin(kind) is list:
        settings["type"] = Numbers()
    else:
        settings["type"] = kind if kind in (int, float, str) else str
    if kind == list[str]:
        settings |= {"multiple": True, "callback": _list_or_none}
    return click.option(shown, name, **settings)


def _list_or_none(ctx: click.Context, param: click.Parameter, value: Any) -> list[str] | None:
    """What was given again and again; None where it was not, so that a default holds."""
    return list(value) or None


def _without_none(annotation: Any) -> Any:
    """``X`` of ``X | None``; of several kinds a text, which pydantic reads."""
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    if NoneType not in get_args(annotation):
        return annotation
    return kinds[0] if len(kinds) == 1 else str


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(f"{item:g}" for item in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
