"""Three hundred real JPEGs, some of them damaged."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from edgecls.data import SplitFractions, describe, load, prepare, scan, sniff
from edgecls.device.preprocess import Preprocess

ARCHIVE = Path(__file__).parents[3] / "shared" / "data" / "cifar10-jpeg.tar.xz"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    if not ARCHIVE.is_file():
        pytest.skip(f"the real images are not here: no {ARCHIVE.name}")
    root = tmp_path_factory.mktemp("photos")
    wanted = {"airplane": 150, "automobile": 150}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            label = Path(member.name).parent.name
            if member.isfile() and wanted.get(label):
                (root / label).mkdir(exist_ok=True)
                stream = archive.extractfile(member)
                (root / label / Path(member.name).name).write_bytes(stream.read())
                wanted[label] -= 1
            if not any(wanted.values()):
                break
    return root


def test_real_images_with_five_damaged_ones(photos, tmp_path):
    paths = sorted(photos.rglob("*.jpg"))
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[: len(whole) // 2])
    paths[1].write_bytes(b"")
    paths[2].write_text("<html>404</html>")
    paths[3].write_bytes(bytes(len(whole)))
    paths[4].write_bytes(whole[:3])
    listing = scan(photos)
    traits = sniff(listing)
    assert (traits.median_height, traits.median_width, traits.grayscale) == (32, 32, False)
    prepare(photos, Preprocess((32, 32)), SplitFractions(), 0, tmp_path / "out", calibration=64)
    described = describe(tmp_path / "out")
    assert {row["file"] for row in described["skipped"]} == {
        path.relative_to(photos).as_posix() for path in paths[:5]
    }
    data = load(tmp_path / "out")
    assert sum(len(data[split][0]) for split in ("train", "validation", "test")) == 295
    assert len(data["calibration"][0]) == 64
