"""No pickle runs anything: it is arrays and lists, or it is refused."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from edgecls.data.sources import pickles
from edgecls.errors import DataError


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("keys", [str, str.encode], ids=["text", "bytes"])
def test_arrays_and_containers_are_read(tmp_path, protocol, keys):
    array = np.arange(256, dtype=np.uint8).repeat(3).reshape(-1, 6)
    cube = np.moveaxis(array[:8].reshape(2, 4, 6), 0, 1)
    frozen = array.copy()
    frozen.flags.writeable = False
    arrays = {
        "data": array,
        "turned": array.T,
        "cube": cube,
        "frozen": frozen,
        "odd": array[:, ::2],
    }
    plain = {"labels": [1, 2], "names": ("a", None, 1.5)}
    data = {keys(name): value for name, value in {**arrays, **plain}.items()}
    (tmp_path / "x").write_bytes(pickle.dumps(data, protocol=protocol))
    found = pickles.read(tmp_path / "x")
    for name, expected in arrays.items():
        assert np.array_equal(found.pop(name), expected), name
    assert found == plain


def test_a_pickle_of_python_2_is_read(tmp_path):
    """As numpy wrote it under Python 2: the bytes are a str, the module has its old name."""
    data = (
        b"\x80\x02}q\x01U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\n"
        b"q\x04K\x00\x85U\x01b\x87Rq\x05(K\x01K\x02K\x02\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01"
        b"\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x01\x80\xff"
        b"\x03tbs."
    )
    (tmp_path / "x").write_bytes(data)
    assert pickles.read(tmp_path / "x")["data"].tolist() == [[1, 128], [255, 3]]


class _Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


HOSTILE = [
    _Call(os.system, "touch owned"),
    _Call(eval, "open('owned', 'w')"),
    _Call(exec, "open('owned', 'w')"),
    _Call(getattr, "", "join"),
    _Call(__import__, "os"),
    _Call(subprocess.Popen, ["touch", "owned"]),
    _Call(np.load, "x"),
    _Call(np.frombuffer, b"x"),
    _Call(np._core.numeric._frombuffer, b"xy", np.dtype(np.uint8), (1,), "C"),
    _Call(np._core.numeric._frombuffer, b"xy", np.dtype(np.uint8), (2,), "K", (0, 0)),
    _Call(np._core.numeric._frombuffer, b"xy", np.dtype(np.uint8), (-2,), "C"),
    _Call(np._core.numeric._frombuffer, b"xy", np.dtype(np.uint16), (1,), "C"),
    np.float64(1),
    np.array(["text"], dtype=object),
    np.array([1.5]),
    np.ma.masked_array([1], [True]),
    {1, 2}.__class__,
    range(3),
    complex(1, 2),
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_anything_else_is_refused_and_nothing_runs(tmp_path, monkeypatch, hostile, protocol):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_bytes(pickle.dumps({"data": hostile}, protocol=protocol))
    with pytest.raises(DataError, match="cannot be used"):
        pickles.read(tmp_path / "x")
    assert not (tmp_path / "owned").exists()


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"text",
        b"\x80\x02.",
        b"N.",
        b"I1\n.",
        b"]" * 5000 + b".",
        b"cos\nsystem\n.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"cnumpy\nload\n.",
        b"c__builtin__\neval\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x0bcore.memmap\x93.",
        b"Pobject\n.",
        b"\x82\x01.",
        b"(i__main__\nX\n.",
        ARRAY + b"(cnumpy\ndtype\nI0\ntR.",
        ARRAY + b"(cnumpy\nndarray\n(I1000000000000\ntS'b'\ntR}d.",
        b"cnumpy\nndarray\n(I1000000000000\ntR.",
        ARRAY
        + b"(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I-1\ntcnumpy\ndtype\n(S'u1'\ntRI0\nS''\ntb.",
        ARRAY
        + b"(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I9\ntcnumpy\ndtype\n(S'u1'\ntRI0\nS'a'\ntb.",
        ARRAY
        + b"(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\ntRI0\nS'a'\ntb.",
        ARRAY + b"(cnumpy\nndarray\n(I0\ntS'b'\ntR.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
    ],
)
def test_damaged_and_handmade_ones_end_with_a_sentence(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(DataError):
        pickles.read(tmp_path / "x")


def test_one_pickle_can_not_change_how_the_next_is_read(tmp_path):
    """BUILD sets attributes of whatever it is given, also of the stand-ins."""
    change = b"cnumpy\ndtype\n(N(dS'__init__'\ncnumpy\nndarray\nstb0}."
    (tmp_path / "bad").write_bytes(change)
    (tmp_path / "good").write_bytes(pickle.dumps({"a": np.zeros(3, np.uint8)}, protocol=2))
    with contextlib.suppress(DataError):
        pickles.read(tmp_path / "bad")
    assert pickles.read(tmp_path / "good")["a"].tolist() == [0, 0, 0]


def test_a_large_file_is_not_even_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_BYTES", 10)
    (tmp_path / "x").write_bytes(pickle.dumps({"a": "0123456789"}))
    with pytest.raises(DataError, match="more than 10 bytes"):
        pickles.read(tmp_path / "x")


def test_it_imports_nothing(tmp_path):
    (tmp_path / "x").write_bytes(b"cantigravity\nfly_tester\n.")
    with pytest.raises(DataError, match=r"antigravity\.fly_tester"):
        pickles.read(tmp_path / "x")
    assert "antigravity" not in sys.modules
