"""``edgecls train``, ``distill`` and ``prune``: their flags follow from the methods' options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from edgecls import methods
from edgecls.core import Method
from edgecls.recipe import load, parse, put
from edgecls.train.options import FitOptions

COMMON = frozenset(FitOptions.model_fields)


def command(name: str) -> click.Command:
    """The command of a method."""
    method = methods.get(name)

    def body(
        data: str | None,
        out: Path,
        seed: int,
        overrides: tuple[str, ...],
        force: bool,
        **given: Any,
    ) -> None:
        from edgecls.cli.display import display
        from edgecls.pipeline.single import apply_method

        tables = load(None, overrides)
        if data is not None:
            put(tables, "data.path", data)
        tables.setdefault("seed", seed)
        options = {key: value for key, value in given.items() if value is not None}
        written = apply_method(name, options, parse(tables), out, display(), force)
        click.echo(f"checkpoint: {written}")

    body.__doc__ = method.summary
    return _with_flags(method, body)


def _with_flags(method: Method, body: Callable[..., None]) -> click.Command:
    decorators = [
        click.option(
            "--data", help="A folder with one folder a class (default: the embedded digits)."
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path("runs") / "checkpoints" / method.name,
            show_default=True,
            help="Where the checkpoint is written.",
        ),
        click.option("--seed", default=0, show_default=True),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change a key of the recipe, such as data.size=64.",
        ),
        click.option("--force", is_flag=True, help="Replace what is in --out."),
    ]
    # The method's own options before those of every training.
    fields = sorted(method.Options.model_fields.items(), key=lambda f: f[0] in COMMON)
    decorators += [_flag(method, name, field) for name, field in fields]
    for decorate in reversed(decorators):
        body = decorate(body)
    return click.command(name=method.name)(body)


def _flag(method: Method, name: str, field: FieldInfo) -> Callable[..., Any]:
    """A pydantic field as a click option; pydantic checks bounds, click the type."""
    settings: dict[str, Any] = {"help": field.description, "required": field.is_required()}
    if not field.is_required() and field.default is not None:
        settings["help"] = f"{field.description or ''} [default: {field.default}]".strip()
    kind: Any = field.annotation
    if name in method.parents:
        kind = click.Path(exists=True, file_okay=False)
    elif get_origin(kind) is Literal:
        kind = click.Choice(list(get_args(kind)))
    return click.option(f"--{name.replace('_', '-')}", name, type=kind, **settings)


train, distill, prune = (command(name) for name in ("train", "distill", "prune"))
