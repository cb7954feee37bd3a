"""Hugging Face's tables, as `datasets` itself writes them and as they come damaged."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from edgecls.core import SilentProgress
from edgecls.data import find, fingerprint, scan
from edgecls.errors import DataError

pa = pytest.importorskip("pyarrow")
NAMES = ["cat", "T-shirt/top"]


def encoded(number, kind="PNG"):
    pixels = np.random.default_rng(number).integers(0, 256, (6, 5, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def table(images, labels, image="image", label="label", features=None):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [None if data is None else {"bytes": data, "path": "x.png"} for data in images]
    found = pa.table({"id": list(range(len(rows))), label: labels, image: pa.array(rows, kind)})
    about = {"info": {"features": features}} if features else None
    return found.replace_schema_metadata({"huggingface": json.dumps(about)} if about else None)


FEATURES = {
    "image": {"_type": "Image"},
    "label": {"_type": "ClassLabel", "names": NAMES},
}


@pytest.fixture
def parquet(tmp_path):
    """Write Parquet files: name -> table; returns their folder."""
    import pyarrow.parquet

    def write(**tables):
        for name, content in tables.items():
            path = tmp_path / "set" / (name.replace("__", "/") + ".parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            pyarrow.parquet.write_table(content, path)
        return tmp_path / "set"

    return write


def unpack(path, tmp_path):
    packed = find(path)
    assert packed is not None
    (tmp_path / "work").mkdir(exist_ok=True)
    packed.unpack(tmp_path / "out", tmp_path / "work", SilentProgress())
    return scan(tmp_path / "out")


def test_parquet_files_by_split_keep_the_bytes_of_their_images(parquet, tmp_path):
    images = [encoded(n, "JPEG" if n % 2 else "PNG") for n in range(6)]
    root = parquet(
        **{
            "data__train-00000-of-00002": table(images[:2], [0, 1], features=FEATURES),
            "data__train-00001-of-00002": table(images[2:4], [0, 1], features=FEATURES),
            "data__validation-00000-of-00001": table(images[4:], [0, 1], features=FEATURES),
        }
    )
    listing = unpack(root, tmp_path)
    assert listing.given_splits == ("train", "validation")
    assert listing.labels == ("cat", "T-shirt-top")
    assert (tmp_path / "out/train/cat/0000002.png").read_bytes() == images[2]
    assert (tmp_path / "out/train/T-shirt-top/0000003.jpg").read_bytes() == images[3]
    assert len(listing.entries) == 6


@pytest.mark.parametrize(
    ("image", "label", "labels"),
    [
        ("img", "fine_label", [3, 5]),
        ("picture", "class", ["dog", "cow"]),
        ("image", "labels", [0, 1]),
    ],
)
def test_columns_under_other_names_and_without_features(parquet, tmp_path, image, label, labels):
    root = parquet(all=table([encoded(1), encoded(2)], labels, image, label))
    assert set(unpack(root, tmp_path).labels) == {str(value) for value in labels}


def test_one_parquet_file_is_train(parquet, tmp_path):
    root = parquet(all=table([encoded(1), encoded(2)], [0, 1], features=FEATURES))
    assert unpack(root / "all.parquet", tmp_path).given_splits == ("train",)


def test_a_table_beside_class_folders_is_left_alone(parquet, paint):
    root = parquet(all=table([encoded(1), encoded(2)], [0, 1], features=FEATURES))
    paint(root / "a/1.png", 1)
    paint(root / "b/1.png", 2)
    assert find(root) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (table([encoded(1), None], [0, 1], features=FEATURES), "row 1 has no image"),
        (table([None, encoded(1)], [0, 1], features=FEATURES), "row 0 has no image"),
        (table([encoded(1), encoded(2)], [0, -1], features=FEATURES), "the label '-1'"),
        (table([encoded(1), encoded(2)], [0, 2], features=FEATURES), "the label '2'"),
        (table([encoded(1), encoded(2)], [0, None], features=FEATURES), "the label 'None'"),
        (table([encoded(1), encoded(2)], ["a", ""]), "the label ''"),
        (table([encoded(1), encoded(2)], [0, 1], label="about"), "its columns are"),
    ],
)
def test_rows_that_cannot_be_used_are_told(parquet, tmp_path, content, reason):
    with pytest.raises(DataError, match=reason):
        unpack(parquet(all=content), tmp_path)


def test_labels_lead_to_no_other_folder(parquet, tmp_path):
    root = parquet(all=table([encoded(n) for n in range(4)], ["../up", "/etc", "..", ".hidden"]))
    listing = unpack(root, tmp_path)
    assert set(listing.labels) == {"_..-up", "-etc", "_..", "_.hidden"}
    assert {path.name for path in tmp_path.iterdir()} == {"set", "work", "out"}


def test_a_damaged_parquet_file_is_told(parquet, tmp_path):
    root = parquet(all=table([encoded(1), encoded(2)], [0, 1], features=FEATURES))
    path = root / "all.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        find(root)
    path.write_bytes(whole[:4] + b"\xff" * 300 + whole[304:])
    with pytest.raises(DataError):
        unpack(root, tmp_path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What `datasets.save_to_disk` wrote: one data set, and a dictionary of them."""
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    root = tmp_path_factory.mktemp("saved")
    images = [{"bytes": encoded(number), "path": None} for number in range(8)]
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}
    )
    whole = datasets.Dataset.from_dict({"image": images, "label": [0, 1] * 4}, features=features)
    whole.save_to_disk(root / "one", num_shards=2)
    datasets.DatasetDict({"train": whole, "test": whole.select([0, 1])}).save_to_disk(root / "two")
    return root


def test_what_datasets_saved_is_read(saved, tmp_path):
    listing = unpack(saved / "one", tmp_path)
    assert listing.given_splits == ("train",)
    assert (tmp_path / "out/train/cat/0000006.png").read_bytes() == encoded(6)
    assert len(listing.entries) == 8


def test_a_dictionary_gives_its_splits(saved, tmp_path):
    listing = unpack(saved / "two", tmp_path)
    assert listing.given_splits == ("train", "test")
    assert len(listing.entries) == 10
    names = {entry.path for entry in find(saved / "two").files.entries}
    assert all(name.endswith(".arrow") for name in names) and len(names) == 2


def test_the_content_names_it_and_not_its_place(saved, tmp_path):
    shutil.copytree(saved / "one", tmp_path / "copy")
    assert fingerprint(find(tmp_path / "copy").files) == fingerprint(find(saved / "one").files)


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("state.json", '{"_data_files": [{"filename": "../one/data.arrow"}]}', "names the file"),
        ("state.json", '{"_data_files": [{"filename": "none.arrow"}]}', "none.arrow is missing"),
        ("state.json", '{"_data_files": []}', "has no files"),
        ("state.json", "{", "cannot be read"),
        ("state.json", "[]", "is damaged"),
        ("dataset_dict.json", '{"splits": ["../x"]}', "names the file"),
        ("dataset_dict.json", '{"splits": ["extra"]}', "cannot be read"),
        ("dataset_dict.json", '{"splits": []}', "has the splits none"),
    ],
)
def test_a_folder_that_is_not_whole_is_told(saved, tmp_path, file, text, reason):
    root = shutil.copytree(saved / "one", tmp_path / "copy")
    (root / file).write_text(text)
    with pytest.raises(DataError, match=reason):
        find(root)


def test_a_damaged_arrow_file_is_told(saved, tmp_path):
    root = shutil.copytree(saved / "one", tmp_path / "copy")
    path = sorted(root.glob("*.arrow"))[0]
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[:200], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        with pytest.raises(DataError):
            unpack(root, tmp_path)
