"""The models of a recipe: each a method with validated options, after its parents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecls import methods
from edgecls.core import Method, Precision
from edgecls.errors import UsageError, unknown_name
from edgecls.models.checkpoint import Checkpoint
from edgecls.recipe import validated

# The option that names the model which a method changes; from others it only learns.
CHANGED = "model"
TAUGHT_BY = "teacher"
# Methods that learn from labels alone.
_OF_LABELS = ("train", "finetune")


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
    by_name = {net.name: net for net in ordered}
    for net in ordered:
        changed = net.parents.get(CHANGED)
        if changed and trains_for(by_name[changed].method) == "int8":
            raise _too_late(net.method, changed)
        if changed and holds_zeros(by_name[changed].method) and not holds_zeros(net.method):
            raise _undone(net.method, changed)
    return ordered


def trains_for(method: Method) -> Precision:
    """The precision that a method's nets ship in; methods are for float unless they say so."""
    precision: Precision = getattr(method, "trains_for", "fp32")
    return precision


def holds_zeros(method: Method) -> bool:
    """Whether a method makes single weights zero and trains without losing them; most do not."""
    held: bool = getattr(method, "holds_zeros", False)
    return held


def check_order(method: Method, parents: Mapping[str, Checkpoint]) -> None:
    """Raise UsageError where the `method` cannot come after what made its parents."""
    changed = parents.get(CHANGED)
    if changed is not None and changed.is_quantized:
        raise _too_late(method, str(changed.folder))
    if changed is not None and changed.is_sparse and not holds_zeros(method):
        raise _undone(method, str(changed.folder))


def caution(option: str, parent: Checkpoint) -> str | None:
    """What is to be told of a parent in that option before anything learns from it.

    Smoothed labels make a net that no longer tells which wrong class is the likelier one, and that
    is what a student learns from (Müller et al., NeurIPS 2019).
    """
    if option.partition(".")[0] != TAUGHT_BY or parent.provenance.get("method") not in _OF_LABELS:
        return None
    smoothing = (parent.provenance.get("options") or {}).get("label_smoothing")
    if not smoothing:
        return None
    return (
        f"the teacher {parent.arch} was trained on labels smoothed by {smoothing:g} and so tells a "
        "student less: train it with label_smoothing 0"
    )


def _too_late(method: Method, parent: str) -> UsageError:
    """Int8 comes last: steps and weights were fitted to each other."""
    if trains_for(method) == "int8":
        return UsageError(
            f"{parent} is trained for int8 already", "start from the model that it was trained from"
        )
    return UsageError(
        f"{method.name} would change {parent}, whose weights were trained for int8 as they are",
        f"apply {method.name} to the float model first, and train the result for int8",
    )


def _undone(method: Method, parent: str) -> UsageError:
    """A training that knows nothing of the zeros moves them with all other weights."""
    if trains_for(method) == "int8":
        fix = "convert it to int8 after the training, with edgecls quantize: that keeps zeros"
    else:
        fix = f"apply {method.name} to the model before, and make its result sparse last"
    return UsageError(
        f"{method.name} would train {parent} without its zeros, which sparsify set", fix
    )


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
    _refuse_others_options(name, method, options)
    checked = validated(method.Options, options, f"models.{name}")
    _refuse_model_as_weights(name, checked, tables)
    parents = named_parents(method, checked)
    for option, value in parents.items():
        if value not in tables:
            raise unknown_name(f"model in models.{name}", value, tables)
        if value == name:
            raise UsageError(
                f"models.{name}.{option.partition('.')[0]} is {name!r}, the model itself",
                "name the model that it comes from",
            )
    return Net(name, method, checked, parents, seed)


def _refuse_others_options(name: str, method: Method, options: Mapping[str, Any]) -> None:
    """Raises UsageError for an option that only other methods have, and says which."""
    for option in sorted(set(options) - set(method.Options.model_fields)):
        having = [each for each in methods.names() if option in _options(each)]
        if having:
            raise UsageError(
                f"unknown key 'models.{name}.{option}' of method {method.name}",
                f"leave it out: {option} is an option of {', '.join(having)}",
            )


def _options(method: str) -> Mapping[str, Any]:
    return methods.get(method).Options.model_fields


def _refuse_model_as_weights(name: str, options: Any, tables: Mapping[str, Any]) -> None:
    """Raises UsageError where another model's name stands for weights, which are files."""
    given = getattr(options, "weights", None) if "weights" in options.model_fields_set else None
    if given in tables and not Path(str(given)).exists():
        raise UsageError(
            f"models.{name}.weights is {given!r}, a model of this recipe, which is no file of "
            "weights",
            f"finish a run with {given} and give its file, such as "
            f"runs/demo/models/{given}/model.safetensors",
        )
