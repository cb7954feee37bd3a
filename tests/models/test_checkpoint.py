"""A checkpoint comes back as it was saved, or is refused with a reason; nothing is unpickled."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import edgecls
from edgecls.device.meta import sha256
from edgecls.errors import EdgeclsError, UsageError
from edgecls.models import checkpoint


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / checkpoint.JSON
    data = json.loads(path.read_text(encoding="utf-8"))
    data.update(changes)
    path.write_text(json.dumps({k: v for k, v in data.items() if v is not None}))


def replace_weights(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """New weights whose hash is right."""
    save_file(tensors, folder / checkpoint.WEIGHTS)
    rewrite(folder, weights_sha256=sha256(str(folder / checkpoint.WEIGHTS)))


def test_what_was_saved_comes_back(save_net):
    folder = save_net(channels=3)
    loaded = checkpoint.load(folder)
    assert (loaded.arch, loaded.labels) == ("lenet5", ("a", "b", "c", "ü"))
    assert loaded.input_shape == (3, 20, 20)
    assert loaded.metrics == {"validation": {"top1": 0.25}}
    assert loaded.provenance == {"seed": 3}
    assert loaded.num_params == sum(
        t.numel() for n, t in load_file(folder / checkpoint.WEIGHTS).items() if "running" not in n
    ) - sum(1 for n in load_file(folder / checkpoint.WEIGHTS) if "num_batches" in n)
    assert loaded.macs > 0 and loaded.size_bytes == (folder / checkpoint.WEIGHTS).stat().st_size
    assert loaded.calibration().shape == (8, 20, 20, 3)
    assert loaded.golden() == [b"an image"]
    assert json.loads((folder / "curves.json").read_text())["epochs"][0]["epoch"] == 1


def test_the_net_has_the_saved_weights_and_is_ready_to_answer(save_net):
    folder = save_net()
    net = checkpoint.module(checkpoint.load(folder))
    assert not net.training
    saved = load_file(folder / checkpoint.WEIGHTS)
    assert all(torch.equal(saved[name], tensor) for name, tensor in net.state_dict().items())


def test_a_folder_that_is_none_is_a_usage_error(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="is not a checkpoint") as caught:
            checkpoint.load(path)
        assert "edgecls train" in caught.value.fix


def test_a_file_instead_of_a_folder_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is not a checkpoint"):
        checkpoint.load(tmp_path / "file")


def test_tampered_weights_are_refused(save_net):
    path = save_net() / checkpoint.WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(EdgeclsError, match="has changed"):
        checkpoint.load(path.parent)


def test_missing_weights_are_named(save_net):
    folder = save_net()
    (folder / checkpoint.WEIGHTS).unlink()
    with pytest.raises(EdgeclsError, match=r"model\.safetensors cannot be read") as caught:
        checkpoint.load(folder)
    assert "again" in caught.value.fix


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"format": 2}', "\xff"])
def test_another_format_is_refused(save_net, text):
    folder = save_net()
    (folder / checkpoint.JSON).write_text(text, encoding="latin-1")
    with pytest.raises(EdgeclsError, match=r"checkpoint\.json"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": None},
        {"labels": "abc"},
        {"labels": [1, 2]},
        {"arch": 5},
        {"edits": [5]},
        {"unknown": 1},
        {"metrics": None},
        {"temperature": 0},
        {"temperature": "hot"},
        {"temperature": float("inf")},
        {"temperature": float("nan")},
        {"preprocess": {"size": "a"}},
        {"preprocess": {"size": [20, 20], "colour": "red"}},
    ],
)
def test_damaged_fields_are_refused(save_net, changes):
    folder = save_net()
    rewrite(folder, **changes)
    with pytest.raises(EdgeclsError):
        checkpoint.load(folder)


def test_weights_that_do_not_fit_are_refused(save_net):
    folder = save_net()
    tensors = load_file(folder / checkpoint.WEIGHTS)
    tensors["features.0.weight"] = tensors["features.0.weight"][:4].clone()
    replace_weights(folder, tensors)
    with pytest.raises(EdgeclsError, match="the weights do not fit lenet5"):
        checkpoint.module(checkpoint.load(folder))


def test_weights_that_are_no_tensors_are_refused(save_net):
    folder = save_net()
    (folder / checkpoint.WEIGHTS).write_bytes(b"garbage of some length")
    rewrite(folder, weights_sha256=sha256(str(folder / checkpoint.WEIGHTS)))
    with pytest.raises(EdgeclsError, match="the weights do not fit"):
        checkpoint.module(checkpoint.load(folder))


def test_an_unknown_architecture_is_refused(save_net):
    folder = save_net()
    rewrite(folder, arch="lenet4")
    with pytest.raises(UsageError, match="unknown net: 'lenet4'") as caught:
        checkpoint.module(checkpoint.load(folder))
    assert "did you mean 'lenet5'" in caught.value.fix


@pytest.mark.parametrize("damage", ["missing", "garbage", "shape", "name", "pickle"])
def test_calibration_images_that_cannot_be_used_are_refused(save_net, damage):
    folder = save_net()
    path = folder / checkpoint.CALIBRATION
    if damage == "missing":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"PK garbage")
    elif damage == "shape":
        np.savez(path, images=np.zeros((2, 8, 8, 1), np.uint8))
    elif damage == "name":
        np.savez(path, pictures=np.zeros((2, 20, 20, 1), np.uint8))
    else:
        np.savez(path, images=np.array([{}]), allow_pickle=True)
    with pytest.raises(EdgeclsError, match=r"calibration\.npz"):
        checkpoint.load(folder).calibration()


def test_nothing_in_edgecls_unpickles():
    root = Path(edgecls.__file__).parent
    found = []
    for path in [*root.rglob("*.py"), *(root.parent / "export").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(alias.name for alias in node.names)]
            if path.name != DATA_READER:
                found += [f"{path.name}: {name}" for name in names if name in UNPICKLERS]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                call = ast.unparse(node.func)
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                if call == "torch.load" and given.get("weights_only") != "True":
                    found.append(f"{path.name}: {ast.unparse(node)}")
                # Saving too: an array of objects is an error then, not a pickle.
                if call in NUMPY_FILES and given.get("allow_pickle") != "False":
                    found.append(f"{path.name}: {ast.unparse(node)}")
    assert not found


# CIFAR's python files are pickles: a reader of its own takes their data and runs no code of theirs.
DATA_READER = "pickles.py"
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
NUMPY_FILES = {"np.load", "np.save", "np.savez", "np.savez_compressed", "numpy.load", "numpy.save"}


def test_marks_are_equal_for_equal_images_alone():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2500, 2, 3, 1), np.uint8)
    images[2400] = images[7]
    found = checkpoint.marks(images)
    assert found.dtype == np.uint64 and found.shape == (2500,)
    assert found[2400] == found[7] and len(np.unique(found)) == 2499
    assert (checkpoint.marks(images[1000:]) == found[1000:]).all()
    assert checkpoint.marks(images[:0]).shape == (0,)


def test_an_older_checkpoint_has_seen_nothing_that_is_known(save_net):
    assert len(checkpoint.load(save_net()).seen()) == 0


@pytest.mark.parametrize("data", [b"", b"no array", b"\x93NUMPY"])
def test_damaged_marks_are_refused(save_net, data):
    folder = save_net()
    (folder / checkpoint.SEEN).write_bytes(data)
    with pytest.raises(EdgeclsError, match=r"seen\.npy cannot be read"):
        checkpoint.load(folder).seen()


def test_marks_of_another_kind_are_refused(save_net):
    folder = save_net()
    np.save(folder / checkpoint.SEEN, np.zeros(3))
    with pytest.raises(EdgeclsError, match="holds no hashes"):
        checkpoint.load(folder).seen()


def test_a_calibrated_copy_differs_in_its_temperature_alone(save_net, tmp_path):
    source = checkpoint.load(save_net())
    (tmp_path / "copy").mkdir()
    checkpoint.copy_calibrated(source, 2.5, tmp_path / "copy")
    copy = checkpoint.load(tmp_path / "copy")
    assert copy.temperature == 2.5 and source.temperature == 1.0
    assert vars(copy) | {"temperature": 1.0, "folder": None} == vars(source) | {"folder": None}
    assert checkpoint.load(source.folder) == source
