"""The smallest whole job, made once a session: digits, a net of one epoch, its bundles."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgecls import targets
from edgecls.core import Context, Dataset
from edgecls.data import SplitFractions, load, prepare, write_digits
from edgecls.device import meta
from edgecls.device.preprocess import Preprocess

if TYPE_CHECKING:
    from edgecls.graph import CheckpointSource

PER_CLASS = 12


def _keep_to_own_cores() -> None:
    """Give each of pytest's parallel workers cores of its own.

    Threads of two trainings that share all cores wait for each other at every step, and are many
    times slower than on half of the cores.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        cores = sorted(os.sched_getaffinity(0))
        number = int(worker.removeprefix("gw"))
        os.sched_setaffinity(0, cores[number % len(cores) :: count])


_keep_to_own_cores()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: one that a parallel worker begins last would be waited for."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


PackageBundle = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def digit_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 of the handwritten digits as ``<label>/<number>.png``; treat it as read-only."""
    root = tmp_path_factory.mktemp("digits")
    write_digits(root / "all")
    for folder in sorted((root / "all").iterdir()):
        (root / "some" / folder.name).mkdir(parents=True)
        for image in sorted(folder.iterdir())[:PER_CLASS]:
            shutil.copyfile(image, root / "some" / folder.name / image.name)
    return root / "some"


@pytest.fixture(scope="session")
def tiny_data(digit_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The digits' splits, 32×32 in grayscale: 10 classes, some 70 images to train on."""
    out = tmp_path_factory.mktemp("data")
    preprocess = Preprocess((32, 32), mode="L", mean=(0.5,), std=(0.25,))
    prepare(digit_images, preprocess, SplitFractions(0.6, 0.2, 0.2), 0, out, calibration=30)
    return load(out)


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A resnet8 after one epoch; treat it as read-only."""
    from edgecls.methods.train import METHOD

    root = tmp_path_factory.mktemp("checkpoint")
    (root / "out").mkdir()
    (root / "work").mkdir()
    options = METHOD.Options(arch="resnet8", epochs=1, batch_size=8)
    METHOD.apply({}, options, Context(tiny_data, 0, root / "work"), root / "out")
    return root / "out"


@pytest.fixture(scope="session")
def tiny_int8(
    tiny_checkpoint: Path, tiny_data: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """`tiny_checkpoint` after an epoch of training for int8; treat it as read-only."""
    from edgecls.methods.qat import METHOD

    root = tmp_path_factory.mktemp("int8")
    (root / "out").mkdir()
    (root / "work").mkdir()
    options = METHOD.Options(model="tiny", epochs=1, batch_size=8, reduce_range="yes")
    context = Context(tiny_data, 0, root / "work")
    METHOD.apply({"model": tiny_checkpoint}, options, context, root / "out")
    return root / "out"


@pytest.fixture(scope="session")
def int8_source(tiny_int8: Path, tmp_path_factory: pytest.TempPathFactory) -> CheckpointSource:
    """The source of `tiny_int8`: its graph is exported once."""
    from edgecls.graph import CheckpointSource

    return CheckpointSource(tiny_int8, tmp_path_factory.mktemp("int8-graph") / "model.onnx")


@pytest.fixture(scope="session")
def package_bundle(
    tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> PackageBundle:
    """(target, precision) -> the bundle of `tiny_checkpoint`, made once; treat it as read-only."""
    from edgecls.graph import CheckpointSource
    from edgecls.pipeline.package import package

    root = tmp_path_factory.mktemp("bundles")
    source = CheckpointSource(tiny_checkpoint, root / "graph.onnx")

    def make(target: str, precision: str) -> Path:
        out = root / f"{target}-{precision}"
        if not out.exists():
            out.mkdir()
            package("tiny", source, targets.get(target), precision, out)
        return out

    return make


@pytest.fixture(scope="session")
def tiny_bundle(package_bundle: PackageBundle) -> Path:
    """An fp32 bundle for ONNX Runtime; treat it as read-only."""
    return package_bundle("onnxruntime", "fp32")


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of `tiny_bundle` to tamper with."""
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


@pytest.fixture
def kit_bundle(bundle_copy: Path) -> Callable[[str], Path]:
    """A bundle with another ``infer.py``, whose hashes all match: only ``trust_code`` starts it."""

    def make(code: str) -> Path:
        (bundle_copy / "infer.py").write_text(code, encoding="utf-8")
        meta.write(str(bundle_copy), meta.read(str(bundle_copy)))
        return bundle_copy

    return make


# A kit without a runtime, which answers the golden tensors as the source model did.
FAKE_KIT = """
import os, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(HERE)
sys.dont_write_bytecode = True
from harness.harness import main

class Runner:
    def __init__(self, folder, meta, threads):
        import numpy as np
        from harness import golden
        logits = golden.load_array(os.path.join(folder, golden.SOURCE))
        tensors = golden.inputs(folder, meta)
        self.known = {tensor.tobytes(): row for tensor, row in zip(tensors, logits)}
        self.other, self.stack = np.zeros_like(logits[0]), np.stack
        self.queries = 0
        #START
    def run(self, images):
        self.queries += 1
        #RUN
        return self.stack([self.known.get(image.tobytes(), self.other) for image in images])
    def about(self):
        return {"runtime": "none", "provider": "none"}

if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
"""


@pytest.fixture
def fake_bundle(kit_bundle: Callable[[str], Path]) -> Callable[..., Path]:
    """A bundle of `FAKE_KIT`. start, run: a statement at the load and at each query."""

    def make(start: str = "", run: str = "") -> Path:
        return kit_bundle(FAKE_KIT.replace("#START", start).replace("#RUN", run))

    return make
