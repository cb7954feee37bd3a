"""``edgecls targets``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from edgecls.cli.purpose import made_for
from edgecls.core import Hardware, Target

# Of the graphs for TensorRT: 18, and 19 where Q/DQ are in fp16.
OPSET = 19


@click.command()
@made_for
def targets(profile: str | None) -> None:
    """What this machine can convert to, compile and run, and what to do where it can not."""
    from edgecls import intel
    from edgecls import targets as registry

    found = [registry.get(name) for name in registry.names()]
    for line in _table(found):
        click.echo(line)
    seen = intel.seen_by_openvino()
    if seen:
        click.echo(f"OpenVINO sees: {', '.join(seen)}")
    if profile is not None:
        _tell_machine(found, profile)


def _table(found: Sequence[Target]) -> list[str]:
    """The head, a line a target, and what mends what it cannot."""
    wide = max(len(target.name) for target in found)
    wider = max(len(",".join(target.precisions)) for target in found)
    head = f"{'target':<{wide}} {'precisions':<{wider}} convert  compile  run      runtime"
    lines, fixes = [head], []
    for target in found:
        can = target.availability()
        steps = (can.convert, can.compile, can.run)
        states = " ".join(f"{'yes' if step.status == 'ok' else 'no':<8}" for step in steps)
        precisions = ",".join(target.precisions)
        lines.append(f"{target.name:<{wide}} {precisions:<{wider}} {states} {target.title}")
        for verb, step in zip(("convert", "compile", "run"), steps, strict=True):
            if step.status != "ok":
                fixes.append(f"{target.name}: cannot {verb}: {step.reason}\n  fix: {step.fix}")
    return [*lines, *dict.fromkeys(fixes)]


def _tell_machine(found: Sequence[Target], profile: str) -> None:
    """How int8 is made for a machine, and what to mind there."""
    from edgecls import hardware, jetpack

    machine = hardware.profile(profile)
    click.echo(f"\nfor {hardware.plainly(machine)}: int8 of")
    wide = max(len(target.name) for target in found)
    for target in found:
        if "int8" in target.precisions:
            click.echo(f"{target.name:<{wide}} {_scheme(target, machine)}")
    releases = jetpack.of_board(profile)
    if releases:
        click.echo(
            f"\n{'JetPack':<8} {'L4T':<15} {'TensorRT':<9} {'CUDA':<6} {'Python':<7} SM   DLA"
        )
    for release in releases:
        dla = "yes" if profile == jetpack.ORIN and jetpack.has_dla(release) else "no"
        click.echo(
            f"{release.release:<8} {release.shown('l4t'):<15} {release.shown('tensorrt'):<9} "
            f"{release.shown('cuda'):<6} {release.python:<7} {jetpack.BOARDS[profile]:<4} {dla}"
        )
    for warning in jetpack.warnings(profile, OPSET):
        click.echo(f"- {warning}")


def _scheme(target: Target, machine: Hardware) -> str:
    scheme = target.scheme(machine)
    return f"{scheme.name}: {scheme.reason}"
