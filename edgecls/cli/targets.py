"""``edgecls targets``."""

from __future__ import annotations

import click


@click.command()
def targets() -> None:
    """What this machine can convert to, compile and run, and what to do where it can not."""
    from edgecls import targets as registry

    fixes = []
    names = registry.names()
    wide = max(len(",".join(registry.get(name).precisions)) for name in names)
    click.echo(
        f"{'target':<14} {'precisions':<{wide}} {'convert':<8} {'compile':<8} {'run':<8} runtime"
    )
    for name in names:
        target = registry.get(name)
        can = target.availability()
        steps = (can.convert, can.compile, can.run)
        states = " ".join(f"{'yes' if step.status == 'ok' else 'no':<8}" for step in steps)
        click.echo(f"{name:<14} {','.join(target.precisions):<{wide}} {states} {target.title}")
        for verb, step in zip(("convert", "compile", "run"), steps, strict=True):
            if step.status != "ok":
                fixes.append(f"{name}: cannot {verb}: {step.reason}\n  fix: {step.fix}")
    for line in dict.fromkeys(fixes):
        click.echo(line)
