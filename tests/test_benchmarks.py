"""The recipes of benchmarks/ are valid, and those that must agree do."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecls.models import zoo
from edgecls.pipeline.nets import resolve
from edgecls.recipe import load, parse

RECIPES = sorted((Path(__file__).parents[1] / "benchmarks" / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_valid_and_its_nets_exist(path):
    nets = resolve(parse(load(path)).models)
    assert nets
    for net in nets:
        if hasattr(net.options, "arch"):
            zoo.build(net.options.arch, 10, 3, (32, 32))


def test_a_net_that_two_recipes_name_is_the_same_in_both_so_that_it_is_trained_once():
    first: dict[str, object] = {}
    shared = set()
    for path in [path for path in RECIPES if path.stem.startswith("cifar-")]:
        tables = load(path)
        assert tables["data"] | {"seed": 0} == load(RECIPES[0])["data"] | {"seed": 0}
        for name, table in tables["models"].items():
            if table["method"] != "train":
                continue
            if name in first:
                shared.add(name)
                assert table == first[name], f"{name} of {path.name}"
            first.setdefault(name, table)
    assert {"fast", "resnet20"} <= shared
