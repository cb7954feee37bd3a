"""``edgecls targets``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from edgecls.cli.purpose import made_for
from edgecls.core import Hardware, Target

# Of the graphs for TensorRT: 18, and 19 where Q/DQ are in fp16.
OPSET = 19


@click.command()
@made_for
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def targets(profile: str | None, as_json: bool) -> None:
    """What this machine can convert to, compile and run, and what to do where it can not.

    With --for: how int8 is made for that machine, and what to mind there.
    """
    from edgecls import hardware, intel
    from edgecls import targets as registry

    found = [registry.get(name) for name in registry.names()]
    machine = hardware.profile(profile or hardware.HERE)
    if as_json:
        click.echo(json.dumps(_told(found, machine), indent=2))
    elif profile is not None:
        _tell_machine(found, machine)
    else:
        for line in _table(found):
            click.echo(line)
        seen = intel.seen_by_openvino()
        if seen:
            click.echo(f"OpenVINO sees: {', '.join(seen)}")


def _told(found: Sequence[Target], machine: Hardware) -> dict[str, Any]:
    """The same as data. convert, compile and run are of this machine, int8 of `machine`."""
    from edgecls import intel, jetpack

    rows = []
    for target in found:
        row: dict[str, Any] = {"name": target.name, "runtime": target.title}
        row["precisions"] = list(target.precisions)
        can = target.availability()
        for verb, step in (("convert", can.convert), ("compile", can.compile), ("run", can.run)):
            row[verb] = asdict(step)
        if "int8" in target.precisions:
            scheme = target.scheme(machine)
            row["int8"] = {"scheme": scheme.name, "reason": scheme.reason}
        rows.append(row)
    return {
        "for": machine.to_json(),
        "targets": rows,
        "openvino_sees": list(intel.seen_by_openvino()),
        "notes": list(jetpack.warnings(machine.profile, OPSET)),
    }


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


def _tell_machine(found: Sequence[Target], machine: Hardware) -> None:
    """How int8 is made for a machine, and what to mind there."""
    from edgecls import hardware, jetpack

    profile = machine.profile
    click.echo(f"for {hardware.plainly(machine)}: int8 of")
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
