"""``edgecls models``."""

from __future__ import annotations

import click


@click.command()
@click.argument("pattern", required=False)
@click.option("--size", default=224, show_default=True, type=click.IntRange(8, 1024), help="Side.")
@click.option(
    "--channels", default=3, show_default=True, type=click.Choice([1, 3]), help="1 is grayscale."
)
@click.option("--classes", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--timm", "with_timm", is_flag=True, help="Those of timm too; needs a pattern.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def models(
    pattern: str | None, size: int, channels: int, classes: int, with_timm: bool, as_json: bool
) -> None:
    """Every architecture, with its parameters and multiply-accumulates.

    PATTERN: a part of the names to list, or a glob such as 'resnet*'.
    """
    import json
    from dataclasses import asdict

    from edgecls.cli.display import display
    from edgecls.models import catalog

    archs = catalog.matching(pattern, with_timm)
    with display().stage(f"building {len(archs)} nets") as progress:
        rows = catalog.rows(archs, size, channels, classes, progress)
    if as_json:
        for row in rows:
            click.echo(json.dumps(asdict(row), ensure_ascii=False))
        return
    width = max(len(row.arch) for row in rows)
    click.echo(f"{'net':<{width}} {'parameters':>13} {'MACs':>17}  family, at {size}×{size}")
    for row in rows:
        if row.macs is None:
            click.echo(f"{row.arch:<{width}} {'—':>13} {'—':>17}  {row.problem}")
        else:
            click.echo(f"{row.arch:<{width}} {row.num_params:>13,} {row.macs:>17,}  {row.family}")
