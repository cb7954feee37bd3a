"""Which versions do not fit together: by the packages' own metadata, and a few that it hides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from edgecls.doctor.check import Check
from edgecls.doctor.packages import Need, pip, version, wanted_by

PART = "together"
Versions = Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """A conflict that metadata does not tell. source: who says so.

    clash: what is wrong with these installed versions, empty for nothing; fix: given them.
    """

    packages: tuple[str, ...]
    clash: Callable[[Versions], str]
    fix: Callable[[Versions], str]
    source: str


def check(found: Sequence[Need]) -> Iterator[Check]:
    """Every conflict; a single line where there is none."""
    clashes = [*_by_metadata(found), *_by_rules()]
    yield from clashes
    if not clashes:
        yield Check(PART, "versions", "ok", "the installed packages fit together")


def _by_metadata(found: Sequence[Need]) -> Iterator[Check]:
    """What an installed package wants of another that is installed in another version."""
    for name in sorted({need.name for need in found if need.installed}):
        for requirement in wanted_by(name):
            there = version(requirement.name)
            if there and not requirement.specifier.contains(there, prereleases=True):
                text = f"{name} {version(name)} wants {requirement.name}{requirement.specifier}"
                fix = f'{pip()} "{requirement.name}{requirement.specifier}"'
                text = f"{text}, and {there} is there"
                yield Check(PART, requirement.name, "warning", text, fix)


def _by_rules() -> Iterator[Check]:
    for rule in RULES:
        there = {name: version(name) for name in rule.packages}
        text = rule.clash(there)
        if text:
            yield Check(
                PART, rule.packages[0], "warning", f"{text} ({rule.source})", rule.fix(there)
            )


def _pair(there: Versions) -> str:
    """torchvision 0.(N + 15) is made for torch 2.N, and its operators crash beside another."""
    try:
        torch, vision = Version(there["torch"]), Version(there["torchvision"])
    except InvalidVersion:
        return ""  # one of them is not installed: that is told elsewhere
    if torch.major != 2 or vision.major != 0 or vision.minor == torch.minor + 15:
        return ""
    return f"torchvision {vision} is not made for torch {torch}"


def _pair_fix(there: Versions) -> str:
    return f'{pip()} "torchvision==0.{Version(there["torch"]).minor + 15}.*"'


def _same_module(there: Versions) -> str:
    """Two packages of one module: whichever was installed last is imported, in parts."""
    names = [name for name, found in there.items() if found]
    return f"{' and '.join(names)} write the same files" if len(names) > 1 else ""


def _keep_first(there: Versions) -> str:
    first, *others = (name for name, found in there.items() if found)
    uninstall = pip().replace("pip install", "pip uninstall")
    return f"{uninstall} {' '.join([first, *others])} && {pip()} {first}"


RULES = (
    Rule(("torch", "torchvision"), _pair, _pair_fix, "torchvision's table of versions"),
    Rule(
        ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml"),
        _same_module,
        _keep_first,
        "onnxruntime.ai: install only one of them",
    ),
    Rule(
        ("pillow", "pillow-simd"),
        _same_module,
        _keep_first,
        "Pillow's documentation: they cannot stand side by side",
    ),
    Rule(
        ("openvino", "openvino-nightly"),
        _same_module,
        _keep_first,
        "OpenVINO's installation guide",
    ),
)
