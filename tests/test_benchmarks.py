"""The recipes of benchmarks/ are valid, those that must agree do, and so do the README's tables."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from edgecls.models import zoo
from edgecls.pipeline.nets import resolve
from edgecls.recipe import load, parse

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def _loaded(name):
    """A script of benchmarks/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


tables = _loaded("tables")
RECIPES = sorted((ROOT / "benchmarks" / "recipes").glob("*.toml"))


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


def test_the_tables_of_the_readme_are_what_the_results_say():
    assert tables.differing(README.read_text(encoding="utf-8"), tables.RESULTS) == []


@pytest.mark.parametrize("name", ["int8", "nets", "throughput"])
def test_a_table_with_another_figure_than_its_results_is_found_and_written_anew(name):
    text = (
        f"# Title\n\n<!-- table: {name} -->\n{tables.made(name, tables.RESULTS)}<!-- /table -->\n"
    )
    assert tables.differing(text, tables.RESULTS) == []
    digit = re.search(r"\d(?=[^\n]*\|\n<!-- /table)", text)
    assert digit is not None
    changed = text[: digit.start()] + str(9 - int(digit[0])) + text[digit.end() :]
    assert changed != text
    assert tables.differing(changed, tables.RESULTS) == [name]
    assert tables.written(changed, tables.RESULTS) == (text, [name])


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("<!-- table: int9 -->\n<!-- /table -->\n", "valid: .*int8"),
        ("<!-- table: int8 -->\n| a |\n", "not closed"),
        ("<!-- table: int8 -->\n| a |\n<!-- table: nets -->\n<!-- /table -->\n", "not closed"),
    ],
)
def test_markers_that_cannot_be_checked_are_refused(text, cause):
    with pytest.raises(tables.Wrong, match=cause):
        tables.differing(text, tables.RESULTS)


def test_a_table_without_its_results_is_refused(tmp_path):
    with pytest.raises(tables.Wrong, match="missing"):
        tables.differing("<!-- table: nets -->\n<!-- /table -->\n", tmp_path)
