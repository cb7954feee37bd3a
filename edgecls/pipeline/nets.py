"""The models of a recipe: each a method with validated options, after its parents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecls import methods
from edgecls.core import Method
from edgecls.errors import UsageError, unknown_name
from edgecls.recipe import validated


@dataclass(frozen=True)
class Net:
    """One model of a recipe. parents: option -> name of another model.

    seed: of its weights and batches (None: the recipe's).
    """

    name: str
    method: Method
    options: Any
    parents: Mapping[str, str]
    seed: int | None = None


def resolve(tables: Mapping[str, Mapping[str, Any]]) -> list[Net]:
    """The models in an order in which each comes after its parents. Raises UsageError."""
    nets = {name: _net(name, table, tables) for name, table in tables.items()}
    ordered: list[Net] = []
    waiting = dict(nets)
    while waiting:
        ready = [
            net
            for net in waiting.values()
            if not any(parent in waiting for parent in net.parents.values())
        ]
        if not ready:
            raise UsageError(
                f"the models {', '.join(sorted(waiting))} are each other's parents",
                "a model can only come from those that need nothing of it",
            )
        ordered += ready
        for net in ready:
            del waiting[net.name]
    return ordered


def named_parents(method: Method, options: Any) -> dict[str, str]:
    """What the options name as parents; of several in one option the later ones are numbered."""
    found = {}
    for option in method.parents:
        value = getattr(options, option) or []
        names = [value] if isinstance(value, str) else value
        for number, name in enumerate(names):
            found[f"{option}.{number}" if number else option] = name
    return found


def _net(name: str, table: Mapping[str, Any], tables: Mapping[str, Any]) -> Net:
    options = dict(table)
    method_name = options.pop("method", None)
    if not isinstance(method_name, str):
        raise UsageError(f"models.{name} has no method", f"valid: {', '.join(methods.names())}")
    method = methods.get(method_name)
    seed = options.pop("seed", None)
    if not (seed is None or (isinstance(seed, int) and 0 <= seed < 1 << 31)):
        raise UsageError(f"models.{name}.seed is {seed!r}", "give a number from 0 to 2147483647")
    checked = validated(method.Options, options, f"models.{name}")
    parents = named_parents(method, checked)
    for value in parents.values():
        if value not in tables:
            raise unknown_name(f"model in models.{name}", value, tables)
    return Net(name, method, checked, parents, seed)
