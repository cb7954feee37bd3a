"""Tables of images: CSV and Parquet."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from edgecls.data import SplitFractions, describe, fingerprint, prepare, scan
from edgecls.data.sources import find
from edgecls.errors import DataError, MissingDependency

TABLE = "path,label\nimages/0.png,cat\nimages/1.png,dog\nimages/2.png,cat\n"


@pytest.fixture
def table(tmp_path, paint):
    """Write a table beside ``images/0.png`` … ``images/9.png``."""
    for number in range(10):
        paint(tmp_path / f"set/images/{number}.png", number)

    def write(text, name="manifest.csv"):
        path = tmp_path / "set" / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def rows(listing):
    return [(entry.path, entry.label, entry.split) for entry in listing.entries]


def test_a_table_gives_paths_labels_and_splits(table):
    path = table(
        "path,label,split\nimages/0.png,10,train\nimages/1.png,9,train\n"
        "images/2.png,10,val\nimages/3.png,9,valid\nimages/4.png,10,test\nimages/5.png,9,TEST\n"
    )
    listing = scan(path)
    assert listing.root == path.parent
    assert listing.labels == ("9", "10")
    assert listing.given_splits == ("train", "validation", "test")
    assert rows(listing)[2] == ("images/2.png", "10", "validation")
    assert listing.entries[0].size_bytes == (path.parent / "images/0.png").stat().st_size
    assert find(path) is None


def test_a_folder_with_a_manifest_is_that_table(table):
    path = table(TABLE)
    assert rows(scan(path.parent)) == rows(scan(path))
    assert find(path.parent) is None


def test_a_table_of_another_name_is_none_of_its_folder(table):
    root = table(TABLE, "labels.csv").parent
    with pytest.raises(DataError, match="only one class, 'images'"):
        scan(root)


@pytest.mark.parametrize(
    "head",
    ["path,label", "filename,class", "Image,Category", '"file_name","target"', " path , label "],
)
def test_usual_names_of_the_columns_are_known(table, head):
    listing = scan(table(TABLE.replace("path,label", head)))
    assert listing.labels == ("cat", "dog")


def test_columns_in_any_order_beside_others_and_with_any_delimiter(table):
    for delimiter in ",;\t|":
        lines = [("id", "Label", "note", "Path"), ("1", "a", "x y", "images/0.png")]
        lines += [("2", "b", "", "images/1.png")]
        text = "\r\n".join(delimiter.join(line) for line in lines)
        listing = scan(table("\ufeff" + text))
        assert rows(listing) == [("images/0.png", "a", None), ("images/1.png", "b", None)]


def test_quoted_names_with_delimiters_and_line_ends(table, tmp_path):
    shutil.copy(tmp_path / "set/images/0.png", tmp_path / "set/a,b\nc.png")
    listing = scan(table('path,label\n"a,b\nc.png",x\nimages/1.png,y\n'))
    assert listing.entries[0].path == "a,b\nc.png"


def test_names_that_are_not_utf_8(table, tmp_path):
    raw = os.fsencode(tmp_path / "set") + b"/\xff.png"
    shutil.copy(tmp_path / "set/images/0.png", raw)
    listing = scan(table(b"path,label\n\xff.png,a\nimages/1.png,caf\xc3\xa9\n"))
    assert len(listing.entries) == 2
    assert listing.labels == ("a", "café")


def test_absolute_paths_below_the_table_are_taken(table, tmp_path):
    inside = tmp_path / "set/images/0.png"
    listing = scan(table(f"path,label\n{inside},a\nimages/../images/1.png,b\n"))
    assert [entry.path for entry in listing.entries] == ["images/0.png", "images/1.png"]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../secret.png", "images/../../secret.png", ".", "images/..", "/"]
)
def test_a_table_leads_to_nothing_outside_of_its_folder(table, tmp_path, paint, path):
    paint(tmp_path / "secret.png", 99)
    with pytest.raises(DataError, match=r"row 5 of .* does not lie below") as caught:
        scan(table(f"{TABLE}{path},cat\n"))
    assert "above all of its images" in caught.value.fix


def test_a_folder_whose_name_begins_alike_is_outside(table, tmp_path, paint):
    paint(tmp_path / "set-2/1.png", 99)
    with pytest.raises(DataError, match="does not lie below"):
        scan(table(f"{TABLE}../set-2/1.png,cat\n"))


def test_a_linked_folder_is_in_the_folder_that_links_it(table, tmp_path, paint):
    paint(tmp_path / "elsewhere/1.png", 99)
    root = table(TABLE).parent
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    assert len(scan(table(f"{TABLE}linked/1.png,cat\n")).entries) == 4


def test_what_cannot_be_read_is_listed(table, tmp_path):
    os.mkfifo(tmp_path / "set/pipe.png")
    (tmp_path / "set/broken.png").symlink_to("nowhere")
    with (tmp_path / "set/film.mp4").open("wb") as stream:
        stream.truncate(3 << 30)
    more = "pipe.png,cat\nbroken.png,cat\nimages,cat\nnone.png,cat\nfilm.mp4,cat\n,cat\n5.png,\n"
    listing = scan(table(f"{TABLE}{more}images/0.png,cat\n"))
    reasons = {row.file: row.reason for row in listing.skipped}
    assert reasons["pipe.png"] == reasons["images"] == "not a regular file"
    assert "No such file" in reasons["broken.png"] and "No such file" in reasons["none.png"]
    assert "more than an image has" in reasons["film.mp4"]
    assert reasons["images/0.png"] == "listed more than once"
    assert "lacks path or label" in reasons["5.png"]
    assert any("row 10" in file for file in reasons)
    assert len(listing.entries) == 3


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "no column 'path'"),
        ("a,b\n1,2\n", "no column 'path': its first line is 'a', 'b'"),
        ("path,x\n1,2\n", "no column 'label'"),
        ("path,label\n", "has no rows"),
        ("path,label\nnone.png,a\n", "none of the images.*none.png: cannot be read"),
        ("path,label\nimages/0.png,a\n", "only one class, 'a'"),
        (f"{TABLE}images/0.png,dog\n", "'dog' in no split, but was 'cat' in no split"),
        ("path,label,split\nimages/0.png,a,train\nimages/1.png,b,\n", "1 rows .* have no split"),
        ("path,label,split\nimages/0.png,a,train\nimages/0.png,a,test\n", "'a' in test, but was"),
        ("path,label,split\nimages/0.png,a,tset\n", "the split 'tset'"),
        ("path,label,split\nimages/0.png,a,test\nimages/1.png,b,test\n", "no 'train'"),
        (
            "path,label,split\nimages/0.png,a,train\nimages/1.png,b,train\nimages/2.png,a,test\n",
            "test lacks 'b'",
        ),
        ("path,label\na\0b.png,cat\n", "zero byte"),
        ("path,label\n" + '"' + "x" * 200_000 + '",a\n', "no CSV"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(table, text, cause):
    with pytest.raises(DataError, match=cause) as caught:
        scan(table(text))
    assert caught.value.fix


def test_the_same_image_with_another_label_is_other_data(table):
    prints = {
        fingerprint(scan(table(text)))
        for text in (
            TABLE,
            TABLE.replace("0.png,cat", "0.png,dog"),
            "path,label,split\nimages/0.png,cat,train\nimages/1.png,dog,train\n"
            "images/2.png,cat,train\n",
        )
    }
    assert len(prints) == 3
    assert fingerprint(scan(table(TABLE + "\n"))) == fingerprint(scan(table(TABLE)))


def test_a_table_is_prepared_like_a_folder(table, small, tmp_path):
    lines = [f"images/{number}.png,{'ab'[number % 2]}" for number in range(10)]
    prepare(table("path,label\n" + "\n".join(lines)), small, SplitFractions(), 0, tmp_path / "out")
    described = describe(tmp_path / "out")
    used = [
        row["path"]
        for split in ("train", "validation", "test")
        for row in described["splits"][split]
    ]
    assert sorted(used) == sorted(f"images/{number}.png" for number in range(10))
    assert described["counts"]["train"] == {"a": 3, "b": 3}


def test_parquet_is_read_as_csv_is(table):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    csv = table("path,label,split\n" + "".join(f"images/{n}.png,{n % 2},train\n" for n in range(8)))
    path = csv.with_name("table.parquet")
    columns = {
        "split": ["train"] * 8,
        "label": [n % 2 for n in range(8)],
        "path": [f"images/{n}.png" for n in range(8)],
    }
    parquet.write_table(pa.table(columns), path)
    assert rows(scan(path)) == rows(scan(csv))
    assert fingerprint(scan(path)) == fingerprint(scan(csv))
    assert find(path) is None


def test_parquet_that_is_none_and_nulls_in_it(table):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    path = table(b"PAR1 and no more", "x.parquet")
    with pytest.raises(DataError, match="cannot be read"):
        scan(path)
    columns = {"path": ["images/0.png", None, "images/1.png"], "label": ["a", "b", None]}
    parquet.write_table(pa.table(columns), path)
    with pytest.raises(DataError, match="only one class"):
        scan(path)


def test_without_pyarrow_the_extra_is_named(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency) as caught:
        scan(table(b"PAR1", "x.parquet"))
    assert "edgecls[parquet]" in caught.value.fix


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheets_encodings_are_read(table, paint, encoding, delimiter):
    """'Unicode text' of Excel is UTF-16 with its mark and tabs between the columns."""
    text = (
        TABLE.replace("images/2", "images/Käfer 猫").replace("cat", "Käfer").replace(",", delimiter)
    )
    data = text.replace("\n", "\r\n").encode(encoding)
    marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
    path = table(marks.get(encoding, b"") + data)
    paint(path.parent / "images/Käfer 猫.png", 2)
    assert rows(scan(path)) == [
        ("images/0.png", "Käfer", None),
        ("images/1.png", "dog", None),
        ("images/Käfer 猫.png", "Käfer", None),
    ]


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (TABLE.encode("utf-32"), "is in UTF-32"),
        (TABLE.encode("utf-16-le"), "is in UTF-16 without its mark"),
        (TABLE.encode("utf-16")[:-1], "is no text in UTF-16"),
        (TABLE.encode("utf-16") + b"\x00\xd8\x00\xd8", "is no text in UTF-16"),
    ],
)
def test_an_encoding_that_is_not_read_is_named_with_how_to_save_the_table(table, data, cause):
    with pytest.raises(DataError, match=cause) as caught:
        scan(table(data))
    assert "CSV UTF-8" in caught.value.fix


def test_what_nothing_can_be_trained_on_is_listed_where_it_is_only_looked_at(table):
    one = table("path,label\nimages/0.png,cat\n")
    assert scan(one, lenient=True).labels == ("cat",)
    text = "path,label,split\nimages/0.png,a,train\nimages/1.png,b,train\nimages/2.png,a,test\n"
    assert scan(table(text), lenient=True).given_splits == ("train", "test")
    with pytest.raises(DataError, match="test lacks 'b'"):
        scan(table(text))
    with pytest.raises(DataError, match="has no rows"):
        scan(table("path,label\n"), lenient=True)
