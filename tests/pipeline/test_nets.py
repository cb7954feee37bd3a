"""The models of a recipe, in an order that respects parents."""

from __future__ import annotations

import pytest

from edgecls.errors import UsageError
from edgecls.pipeline.nets import resolve

TRAIN = {"method": "train"}


def distill(teacher: str) -> dict[str, str]:
    return {"method": "distill", "teacher": teacher}


def test_each_comes_after_its_parents():
    tables = {
        "d": {"method": "prune", "model": "c", "teacher": "a"},
        "c": distill("b"),
        "b": distill("a"),
        "a": TRAIN,
        "e": TRAIN,
    }
    nets = resolve(tables)
    names = [net.name for net in nets]
    assert sorted(names) == list("abcde")
    for net in nets:
        assert all(names.index(parent) < names.index(net.name) for parent in net.parents.values())
    assert nets[-1].parents == {"model": "c", "teacher": "a"}


def test_those_without_parents_keep_the_order_of_the_recipe():
    assert [net.name for net in resolve({"z": TRAIN, "a": TRAIN, "m": TRAIN})] == ["z", "a", "m"]


def test_a_parent_that_may_be_left_out_is_no_parent():
    (_, net) = resolve({"a": TRAIN, "b": {"method": "prune", "model": "a"}})
    assert net.parents == {"model": "a"}


@pytest.mark.parametrize(
    ("tables", "names"),
    [
        ({"a": distill("b"), "b": distill("a"), "c": TRAIN}, "a, b"),
        ({"a": distill("b"), "b": distill("c"), "c": distill("a")}, "a, b, c"),
    ],
)
def test_a_circle_is_refused(tables, names):
    with pytest.raises(UsageError, match=f"the models {names} are each other's parents") as caught:
        resolve(tables)
    assert caught.value.fix


@pytest.mark.parametrize("teacher", ["a", ["b", "a"]])
def test_a_model_that_is_its_own_parent_is_told_so(teacher):
    with pytest.raises(UsageError, match=r"models\.a\.teacher is 'a', the model itself") as caught:
        resolve({"a": {"method": "distill", "teacher": teacher}, "b": TRAIN})
    assert caught.value.fix


def test_an_option_of_another_method_is_told_as_its():
    with pytest.raises(UsageError, match=r"unknown key 'models\.a\.macs_ratio'") as caught:
        resolve({"a": {**TRAIN, "macs_ratio": 2.0}})
    assert "is an option of prune" in caught.value.fix


@pytest.mark.parametrize(
    "table", [{"method": "finetune"}, {"method": "distill", "teacher": "q"}], ids=["fine", "distil"]
)
def test_a_models_name_is_no_weights(table):
    with pytest.raises(UsageError, match=r"models\.a\.weights is 'q', a model of this") as caught:
        resolve({"q": TRAIN, "a": {**table, "weights": "q"}})
    assert "models/q/model.safetensors" in caught.value.fix


def test_an_unknown_parent_is_refused_with_the_nearest_one():
    with pytest.raises(UsageError, match=r"unknown model in models\.student: 'techer'") as caught:
        resolve({"teacher": TRAIN, "student": distill("techer")})
    assert "did you mean 'teacher'" in caught.value.fix


@pytest.mark.parametrize(
    ("table", "cause"),
    [
        ({}, r"models\.a has no method"),
        ({"method": 5}, r"models\.a has no method"),
        ({"method": "trian"}, "unknown method: 'trian'"),
        ({"method": "train", "epochz": 1}, r"unknown key 'models\.a\.epochz'"),
        ({"method": "distill"}, r"models\.a\.teacher is missing"),
    ],
)
def test_a_wrong_table_is_refused(table, cause):
    with pytest.raises(UsageError, match=cause) as caught:
        resolve({"a": table})
    assert caught.value.fix


def test_every_teacher_of_an_ensemble_is_a_parent():
    nets = resolve({"s": {"method": "distill", "teacher": ["b", "a"]}, "a": TRAIN, "b": TRAIN})
    assert [net.name for net in nets] == ["a", "b", "s"]
    assert nets[-1].parents == {"teacher": "b", "teacher.1": "a"}
    with pytest.raises(UsageError, match=r"unknown model in models\.s: 'c'"):
        resolve({"s": {"method": "distill", "teacher": ["a", "c"]}, "a": TRAIN})


def test_a_model_may_have_a_seed_of_its_own():
    assert [net.seed for net in resolve({"a": {**TRAIN, "seed": 3}, "b": TRAIN})] == [3, None]


@pytest.mark.parametrize("seed", [-1, 1 << 31, "3", 1.5])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(UsageError, match=r"models\.a\.seed is"):
        resolve({"a": {**TRAIN, "seed": seed}})
