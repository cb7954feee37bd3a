"""The recipe: every mistake is named, with its nearest cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecls.errors import UsageError
from edgecls.recipe import Recipe, load, parse, put


def test_an_empty_recipe_is_the_default_one():
    recipe = parse({})
    assert recipe == Recipe()
    assert recipe.name == "demo" and recipe.data.path == "digits" and recipe.models == {}


@pytest.mark.parametrize(
    ("tables", "cause", "hint"),
    [
        ({"sede": 1}, "unknown key 'sede'", "did you mean 'seed'"),
        ({"dta": {}}, "unknown key 'dta'", "did you mean 'data'"),
        ({"data": {"pth": "x"}}, "unknown key 'data.pth'", "did you mean 'path'"),
        ({"export": {"target": []}}, "unknown key 'export.target'", "did you mean 'targets'"),
        ({"bench": {"quieres": 1}}, "unknown key 'bench.quieres'", "did you mean 'queries'"),
        ({"budget": {"max_drp": 1}}, "unknown key 'budget.max_drp'", "did you mean 'max_drop'"),
        (
            {"bench": {"zzz": 1}},
            "unknown key 'bench.zzz'",
            "valid: launches, mode, queries, rounds",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(tables, cause, hint):
    with pytest.raises(UsageError) as caught:
        parse(tables)
    assert caught.value.cause == cause
    assert caught.value.fix.startswith(hint) and "valid: " in caught.value.fix


@pytest.mark.parametrize(
    ("tables", "cause", "fix"),
    [
        ({"seed": "soon"}, "seed is 'soon'", "valid integer"),
        ({"seed": -1}, "seed is -1", "greater than or equal to 0"),
        ({"seed": 1 << 40}, "seed is 1099511627776", "less than"),
        ({"threads": -1}, "threads is -1", "greater than or equal to 0"),
        ({"threads": 10**9}, "threads is 1000000000", "less than or equal to"),
        ({"name": "../up"}, "name is '../up'", "a name begins with a letter"),
        ({"name": ""}, "name is ''", "a name begins with a letter"),
        ({"device": "gpu"}, "device is 'gpu'", "auto, cpu, cuda, cuda:1 or mps"),
        ({"data": 5}, "data is 5", "valid dictionary"),
        ({"data": {"path": 5}}, "data.path is 5", "valid string"),
        ({"data": {"size": 4}}, "data.size is 4", "greater than or equal to 8"),
        ({"data": {"mode": "CMYK"}}, "data.mode is 'CMYK'", "'auto', 'RGB' or 'L'"),
        ({"data": {"test": 1.0}}, "data.test is 1.0", "less than 1"),
        ({"data": {"test": float("nan")}}, "data.test is nan", "finite"),
        ({"export": {"targets": "torch"}}, "export.targets is 'torch'", "valid list"),
        (
            {"export": {"precisions": ["fp32", "int4"]}},
            "export.precisions.1 is 'int4'",
            "'fp32', 'fp16', 'bf16', 'int8'",
        ),
        ({"bench": {"queries": 0}}, "bench.queries is 0", "greater than or equal to 1"),
        ({"bench": {"seconds": float("inf")}}, "bench.seconds is inf", "finite"),
        ({"budget": {"max_latency_ms": 0}}, "budget.max_latency_ms is 0", "greater than 0"),
        (
            {"robustness": {"corruptions": ["fog"]}},
            "robustness.corruptions.0 is 'fog'",
            "'gaussian-noise'",
        ),
        ({"robustness": {"severities": [6]}}, "robustness.severities.0 is 6", "equal to 5"),
        ({"robustness": {"severities": []}}, "robustness.severities is []", "at least 1"),
        ({"robustness": {"eps": [0]}}, "robustness.eps.0 is 0", "equal to 1"),
        ({"robustness": {"attacks": ["cw"]}}, "robustness.attacks.0 is 'cw'", "'fgsm' or 'pgd'"),
        ({"models": ["teacher"]}, "models is ['teacher']", "valid dictionary"),
        ({"models": {"teacher": 5}}, "models.teacher is 5", "valid dictionary"),
        (
            {"models": {"../evil": {}}},
            "a model's name is '../evil'",
            "a name begins with a letter, a digit or _, and goes on with these, dots and hyphens",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_it_should_be(tables, cause, fix):
    with pytest.raises(UsageError) as caught:
        parse(tables)
    assert caught.value.cause == cause
    assert fix in caught.value.fix


def test_every_mistake_is_told_at_once():
    with pytest.raises(UsageError) as caught:
        parse({"sede": 1, "bench": {"queries": 0}})
    assert "unknown key 'sede'" in caught.value.cause and "bench.queries" in caught.value.cause


def test_a_date_is_no_option_of_a_model(tmp_path):
    (tmp_path / "r.toml").write_text("[models.student]\nlr = 1979-05-27\n")
    with pytest.raises(UsageError, match=r"models\.student\.lr is datetime\.date\(1979, 5, 27\)"):
        parse(load(tmp_path / "r.toml"))


def test_splits_must_leave_images_for_training():
    with pytest.raises(UsageError, match="leave less than a tenth") as caught:
        parse({"data": {"validation": 0.5, "test": 0.4}})
    assert caught.value.fix


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=3", {"seed": 3}),
        ("bench.seconds=0.5", {"bench": {"seconds": 0.5}}),
        ("bench.seconds = 1e3", {"bench": {"seconds": 1000.0}}),
        ("name=mine", {"name": "mine"}),
        ('name="mine"', {"name": "mine"}),
        ("data.path=a=b", {"data": {"path": "a=b"}}),
        ("data.path=", {"data": {"path": ""}}),
        ("data.path=/some/where else", {"data": {"path": "/some/where else"}}),
        ('export.targets=["torch", "openvino"]', {"export": {"targets": ["torch", "openvino"]}}),
        ("export.targets=[]", {"export": {"targets": []}}),
        ("models.student.macs_ratio=2", {"models": {"student": {"macs_ratio": 2}}}),
        ("models.s={method='train'}", {"models": {"s": {"method": "train"}}}),
        ("x=true", {"x": True}),
    ],
)
def test_set_takes_values_as_toml_or_as_a_bare_word(override, expected):
    assert load(None, [override]) == expected


def test_set_changes_the_file_and_the_last_one_wins(tmp_path):
    (tmp_path / "r.toml").write_text('seed = 1\n[data]\npath = "here"\nsize = 64\n')
    found = load(tmp_path / "r.toml", ["data.size=32", "seed=2", "seed=3"])
    assert found == {"seed": 3, "data": {"path": "here", "size": 32}}


@pytest.mark.parametrize("override", ["seed", "=3", ""])
def test_a_set_without_key_and_value_is_refused(override):
    with pytest.raises(UsageError, match="is not key=value") as caught:
        load(None, [override])
    assert caught.value.fix


def test_a_set_below_a_value_is_refused():
    with pytest.raises(UsageError, match=r"seed\.x cannot be set: 'seed' is 3, not a table"):
        load(None, ["seed=3", "seed.x=1"])
    with pytest.raises(UsageError, match="not a table"):
        put({"data": 5}, "data.path", "x")


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"seed = ", "is not TOML"),
        (b"seed = 1\nseed = 2\n", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (b"[data\n", "is not TOML"),
    ],
)
def test_a_file_that_is_not_toml_is_named(tmp_path, data, cause):
    path = tmp_path / "recipe.toml"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=cause) as caught:
        load(path)
    assert str(path) in caught.value.cause


def test_a_recipe_that_is_not_there_says_how_to_write_one(tmp_path):
    with pytest.raises(UsageError, match="there is no recipe") as caught:
        load(tmp_path / "missing.toml")
    assert "edgecls init" in caught.value.fix
    with pytest.raises(UsageError, match="is a folder, not a recipe") as caught:
        load(tmp_path)
    assert f"--data {tmp_path}" in caught.value.fix


def test_defaults_are_not_shared_between_recipes():
    parse({"models": {"a": {"method": "train"}}})
    assert Recipe().models == {} and parse({}).export.targets is not Recipe().export.targets
    assert isinstance(load(None), dict) and load(None) is not load(None)
    assert Path(Recipe().data.path).name == "digits"


def test_the_machine_to_convert_for_is_called_for():
    assert parse({}).export.profile is None
    assert parse({"export": {"for": "arm64"}}).export.profile == "arm64"
    kept = parse({"export": {"for": "arm64"}}).model_dump(by_alias=True)
    assert parse(kept).export.profile == "arm64"
    with pytest.raises(UsageError, match=r"unknown key 'export\.profile'") as caught:
        parse({"export": {"profile": "arm64"}})
    assert "for, precisions, targets" in caught.value.fix
    with pytest.raises(UsageError, match=r"export\.for is 'toaster'") as caught:
        parse({"export": {"for": "toaster"}})
    assert "'jetson-orin'" in caught.value.fix
