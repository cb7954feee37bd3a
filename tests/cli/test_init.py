"""The recipe that ``init`` writes is the defaults, says every key, and its examples are right."""

from __future__ import annotations

import re
import tomllib

from pydantic import BaseModel

from edgecls import methods
from edgecls.cli.template import text
from edgecls.pipeline.nets import resolve
from edgecls.recipe import Recipe, load, parse


def keys(kind: type[BaseModel], section: str = "") -> list[tuple[str, str]]:
    found = []
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += keys(inner, name)
        else:
            found.append((section, field.alias or name))
    return found


def test_as_it_is_it_means_the_defaults(edgecls, tmp_path):
    ended = edgecls("init", tmp_path / "mine.toml")
    assert ended.status == 0 and "edgecls run" in ended.out
    assert parse(load(tmp_path / "mine.toml")) == Recipe()


def test_every_key_of_the_schema_stands_in_it():
    section, found = "", []
    for line in text("recipe.toml").splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            found.append((section, key[1]))
    models = {"method", "arch", "epochs", "augment", "teacher", "model", "macs_ratio"}
    models |= {"label_smoothing"}
    found = [(s, name) for s, name in found if not (s == "" and name in models)]
    assert found == [(s, name) for s, name in keys(Recipe) if not s and name != "models"] + [
        (s, name) for s, name in keys(Recipe) if s
    ]


def test_every_key_is_explained():
    for line in text("recipe.toml").splitlines():
        if re.match(r"(?:# )?\w+ =", line) and not re.search(r"^# \w+ = \S", line):
            assert "  # " in line, line


def test_its_examples_of_models_are_right():
    lines = text("recipe.toml").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("# With `method`"))
    example = []
    for line in lines[start + 1 :]:
        if not line.startswith("#"):
            break
        example.append(line.removeprefix("#").strip())
    models = tomllib.loads("\n".join(example))["models"]
    nets = resolve(parse({"models": models}).models)
    assert [net.method.name for net in nets] == ["train", "distill", "prune"]
    assert nets[0].options.label_smoothing == 0
    assert all(name in lines[start] for name in methods.names())


def test_an_existing_file_stays_without_force(edgecls, tmp_path):
    (tmp_path / "recipe.toml").write_text("mine")
    assert edgecls("init", tmp_path / "recipe.toml").status == 2
    assert (tmp_path / "recipe.toml").read_text() == "mine"
    assert edgecls("init", tmp_path / "recipe.toml", "--force").status == 0
    assert parse(load(tmp_path / "recipe.toml")) == Recipe()


def test_its_own_name_is_the_default(edgecls, tmp_path):
    assert edgecls("init").status == 0
    assert (tmp_path / "cwd" / "recipe.toml").is_file()
