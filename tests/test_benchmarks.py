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
        zoo.build(net.options.arch, 10, 3, (32, 32))


def test_the_teacher_is_the_fast_recipes_own_so_that_it_is_trained_once():
    fast, taught = (load(RECIPES[0].parent / f"cifar-{n}.toml") for n in ("fast", "resnet8-taught"))
    assert taught["models"]["fast"] == fast["models"]["fast"]
    assert taught["data"] == fast["data"]
