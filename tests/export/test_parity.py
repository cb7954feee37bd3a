"""The same tensor from the same photograph: in training, in the harness, and in C++."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecls.data import SplitFractions, load, prepare
from edgecls.device.preprocess import Preprocess, decode

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos-100.tar"
Check = Callable[..., Any]

SETTINGS = {
    "torchvision's": Preprocess((224, 224), "shortest", 0.875),
    "stretched": Preprocess((96, 128), interpolation="bicubic", mode="BGR"),
    "padded gray": Preprocess(
        (64, 48), "pad", interpolation="lanczos", mode="L", fill=114, mean=(0.5,), std=(0.25,)
    ),
    "nearest": Preprocess((160, 160), "shortest", 0.9, "nearest"),
    "not antialiased": Preprocess((96, 96), "shortest", antialias=False),
    "not antialiased, bicubic": Preprocess((64, 80), "pad", 1.0, "bicubic", antialias=False),
    "larger than the photograph": Preprocess((512, 640), "shortest", interpolation="bicubic"),
}
every_setting = pytest.mark.parametrize("how", SETTINGS.values(), ids=SETTINGS)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The hundred photographs as ``<number>.jpg``, in two folders, and their pixels as PNG."""
    if not PHOTOS.is_file():
        pytest.skip("the real photographs are not here")
    root = tmp_path_factory.mktemp("photographs")
    paths = []
    with tarfile.open(PHOTOS) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is None:
                continue
            path = root / "jpeg" / f"class{len(paths) % 2}" / f"{len(paths):03d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stream.read())
            paths.append(path)
    assert len(paths) == 100
    return paths


@pytest.fixture(scope="session")
def decoded(photographs: Sequence[Path]) -> list[Path]:
    """The photographs' pixels, without loss."""
    folder = photographs[0].parents[2] / "png"
    folder.mkdir()
    paths = [folder / f"{path.stem}.png" for path in photographs]
    for jpeg, png in zip(photographs, paths, strict=True):
        decode(jpeg.read_bytes()).save(png, compress_level=1)
    return paths


def in_cpp(check: Check, how: Preprocess, images: Sequence[Path], out: Path) -> np.ndarray:
    request = {"do": "preprocess", "preprocess": how.to_json(), "output": str(out)}
    (answer,) = check([{**request, "images": [str(path) for path in images]}])
    assert answer["ok"] and answer["errors"] == [], answer
    return np.load(out)


def in_harness(how: Preprocess, images: Sequence[Path]) -> np.ndarray:
    return np.stack([how.load(path) for path in images])


def test_training_and_the_harness_see_the_same_bits(
    photographs: Sequence[Path], tmp_path: Path
) -> None:
    how = SETTINGS["torchvision's"]
    root = photographs[0].parents[1]
    prepare(root, how, SplitFractions(0.6, 0.2, 0.2), 0, tmp_path / "data", calibration=10)
    dataset = load(tmp_path / "data")
    harness = {tensor.tobytes() for tensor in in_harness(how, photographs)}
    seen = [
        image.tobytes() for split in ("train", "validation", "test") for image in dataset[split][0]
    ]
    assert len(seen) == len(set(seen)) == 100
    assert set(seen) == harness


@every_setting
def test_cpp_is_equal_to_the_bit_from_the_pixels(
    check: Check, decoded: Sequence[Path], tmp_path: Path, how: Preprocess
) -> None:
    some = decoded[::3] if how.size[0] > 200 else decoded
    found = in_cpp(check, how, some, tmp_path / "tensors.npy")
    # The bar is 1/255; Pillow's own fixed-point arithmetic makes it 0.
    assert np.array_equal(found, in_harness(how, some))


def test_cpp_is_within_4_of_255_from_the_jpeg(
    check: Check, photographs: Sequence[Path], tmp_path: Path
) -> None:
    how = SETTINGS["torchvision's"]
    found = in_cpp(check, how, photographs, tmp_path / "tensors.npy")
    difference = abs(found.astype(int) - in_harness(how, photographs))
    # libjpeg and libjpeg-turbo of other versions may round otherwise.
    assert np.percentile(difference, 99.9) <= 4
    assert difference.mean() < 0.5


def test_predictions_agree(
    openvino_build: Path, package_bundle: Callable[..., Path], photographs: Sequence[Path]
) -> None:
    bundle = package_bundle("openvino", "fp32")
    asked = json.dumps({"do": "predict", "images": [str(path) for path in photographs]}) + "\n"
    rows = []
    for command in (
        [sys.executable, bundle / "infer.py"],
        [openvino_build / "edgecls-infer", bundle],
    ):
        done = subprocess.run(
            [*command, "--serve", "--threads", "1"], input=asked.encode(), capture_output=True
        )
        rows.append(json.loads(done.stdout)["predictions"])
    for harness, cpp in zip(*rows, strict=True):
        assert (cpp["file"], cpp["label"]) == (harness["file"], harness["label"])
        assert cpp["confidence"] == pytest.approx(harness["confidence"], abs=0.02)
