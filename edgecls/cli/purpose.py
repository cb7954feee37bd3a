"""The options that say what a model is converted for: the machine and the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgecls.hardware import HERE, NAMES

made_for = click.option(
    "--for",
    "profile",
    type=click.Choice(NAMES),
    help="The machine to convert for [default: this one; mobile targets: arm64].",
)


class BatchType(click.ParamType[Any]):
    """A number of images from 1 on, or ``dynamic``."""

    name = "N|dynamic"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        if value == "dynamic":
            return "dynamic"
        try:
            number = int(value)
        except ValueError:
            number = 0
        if not 1 <= number <= MOST:
            self.fail(f"{value!r} is neither a number from 1 to {MOST} nor dynamic", param, ctx)
        return number


# Beyond it buffers and builds grow out of hand, and no edge device gains by it.
MOST = 1024

batch = click.option(
    "--batch",
    type=BatchType(),
    default="1",
    show_default=True,
    help="Images that the model takes at once.",
)


def tell_scheme(bundle: Path) -> None:
    """Print which int8 scheme a bundle has and why; nothing for one without."""
    from edgecls.device import meta

    described = meta.read(str(bundle))
    if described.scheme is not None:
        machine = described.hardware.get("profile", HERE)
        place = "this machine" if machine == HERE else machine
        click.echo(f"scheme: {described.scheme['name']} for {place}: {described.scheme['reason']}")
    if "not_run_by_the_exporter" in described.details:
        click.echo(f"not run here: {described.details['not_run_by_the_exporter']}")
