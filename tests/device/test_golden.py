"""The proof that a bundle carries cannot be passed by accident."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecls.device import golden, meta
from edgecls.device.errors import EdgeclsError

Array = np.ndarray


class Answers:
    """A runner that gives a bundle's own reference, changed."""

    def __init__(self, bundle: Path, change: Callable[[Array], Array] = lambda a: a) -> None:
        self.logits = change(golden.load_array(str(bundle / golden.SOURCE)))

    def run(self, images: Array) -> Array:
        return self.logits


def verify(bundle: Path, change: Callable[[Array], Array] = lambda a: a) -> dict:
    return golden.verify(str(bundle), meta.read(str(bundle)), Answers(bundle, change))


def test_the_same_logits_hold(tiny_bundle: Path) -> None:
    found = verify(tiny_bundle)
    assert found["ok"]
    assert found["preprocess_equal"]
    assert found["num_images"] == meta.read(str(tiny_bundle)).golden.count
    assert found["source_max_rel_logit_diff"] == 0
    assert found["artifact_max_rel_logit_diff"] <= found["artifact_tolerance"]
    assert found["source_top1_agreement"] == found["artifact_top1_agreement"] == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda logits: logits + np.std(logits) * 2e-3,
        lambda logits: logits * np.nan,
        lambda logits: np.where(np.arange(10) == 3, np.inf, logits),
        lambda logits: logits[:, ::-1],
        lambda logits: logits[:-1],
        lambda logits: logits[:, :-1],
        lambda logits: logits[:, :, None],
    ],
)
def test_other_logits_do_not(tiny_bundle: Path, change: Callable[[Array], Array]) -> None:
    found = verify(tiny_bundle, change)
    assert not found["ok"]
    assert found["preprocess_equal"]


def test_a_difference_inside_the_tolerance_holds_and_is_told(tiny_bundle: Path) -> None:
    found = verify(tiny_bundle, lambda logits: logits + np.std(logits) * np.float32(5e-4))
    assert found["ok"]
    assert found["source_max_rel_logit_diff"] == pytest.approx(5e-4, rel=0.01)


def test_images_that_decode_to_other_tensors_do_not(bundle_copy: Path) -> None:
    shutil.copyfile(bundle_copy / "golden/000.png", bundle_copy / "golden/001.png")
    found = verify(bundle_copy)
    assert not found["ok"]
    assert not found["preprocess_equal"]


def test_differences_are_relative_to_the_spread_of_the_reference() -> None:
    reference = np.array([[-3.0, 3.0], [-3.0, 3.0]])
    assert golden.max_relative_difference(reference + 0.3, reference) == pytest.approx(0.1)
    assert golden.max_relative_difference(reference[:1], reference) == np.inf
    assert golden.max_relative_difference(np.ones((2, 2)), np.zeros((2, 2))) == 1
    assert golden.agreement(reference[:, ::-1], reference) == 0
    assert golden.agreement(np.array([[0.0, 1.0], [1.0, 0.0]]), reference) == 0.5
    assert golden.agreement(reference[:1], reference) == 0


class Bomb:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return open, (self.path, "w")


@pytest.mark.parametrize("kind", ["pickle", "object array"])
def test_an_array_is_never_unpickled(tmp_path: Path, kind: str) -> None:
    bomb = Bomb(tmp_path / "it ran")
    path = tmp_path / "array.npy"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(bomb))
    else:
        np.save(path, np.array([bomb, bomb], dtype=object), allow_pickle=True)
    with pytest.raises(EdgeclsError, match="cannot be read"):
        golden.load_array(str(path))
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize("content", ["empty", "half", "archive", "missing", "text"])
def test_what_is_no_array_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "array.npy"
    np.save(path, np.arange(100))
    whole = path.read_bytes()
    np.savez(tmp_path / "archive.npz", a=np.arange(3))
    data = {"empty": b"", "half": whole[:-50], "text": b"no array", "missing": None}
    data["archive"] = (tmp_path / "archive.npz").read_bytes()
    path.unlink()
    if data[content] is not None:
        path.write_bytes(data[content])
    with pytest.raises(EdgeclsError, match=r"array\.npy cannot be read"):
        golden.load_array(str(path))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 32, 32, 1), np.float32),
        np.zeros((8, 32, 32, 3), np.uint8),
        np.zeros((8, 1, 32, 32), np.uint8),
        np.zeros((0, 32, 32, 1), np.uint8),
        np.zeros((), np.uint8),
    ],
)
def test_golden_tensors_of_another_shape_are_an_error(bundle_copy: Path, array: Array) -> None:
    np.save(bundle_copy / golden.INPUTS, array)
    with pytest.raises(EdgeclsError, match=r"not uint8\[N, 32, 32, 1\]"):
        golden.inputs(str(bundle_copy), meta.read(str(bundle_copy)))
