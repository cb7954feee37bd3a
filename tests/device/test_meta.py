"""meta.json: its one writer and reader, and the schema for readers in other languages."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecls.device import meta
from edgecls.device.errors import EdgeclsError
from edgecls.device.meta import MetaError
from edgecls.device.preprocess import Preprocess
from edgecls.device.schema import mismatch
from edgecls.kits import kits_folder

FULL = meta.Meta(
    model="student",
    target="openvino",
    precision="int8",
    scheme={"name": "u8s8-pc", "per_channel": True},
    hardware={"name": "a CPU", "features": ["avx2"], "cores": 4},
    input_shape=(1, 24, 32, 3),
    labels=("Käfer", "甲虫", "b"),
    preprocess=Preprocess((24, 32), resize="shortest", crop_ratio=0.875, mode="BGR"),
    postprocess=meta.Postprocess(1.5, 0.25),
    golden=meta.Golden(8, 2.0, 0.5),
    model_files=("model.xml", "data/model.bin"),
    kit="openvino",
    versions={"openvino": "2026.2", "edgecls": "0.1.0"},
    run="python3 infer.py --verify",
    reference={"confidence": {"p5": 0.1}},
    provenance={"seed": 0},
    details={"any": [1, None]},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that `FULL` names, and its meta.json."""
    (tmp_path / "data").mkdir()
    (tmp_path / "model.xml").write_text("graph")
    (tmp_path / "data" / "model.bin").write_bytes(bytes(3 << 20))
    meta.write(str(tmp_path), FULL)
    return tmp_path


@pytest.fixture
def data(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "meta.json").read_text(encoding="utf-8"))


def reread(folder: Path, data: Any) -> meta.Meta:
    (folder / "meta.json").write_text(json.dumps(data), encoding="utf-8")
    return meta.read(str(folder))


def test_what_is_written_is_read(folder: Path) -> None:
    found = meta.read(str(folder))
    assert replace(found, files={}) == FULL
    assert set(found.files) == {"model.xml", "data/model.bin"}
    assert meta.check(str(folder), found) == []
    assert [path.name for path in folder.glob("meta*")] == ["meta.json"]


def test_the_same_bundle_is_written_as_the_same_bytes(folder: Path) -> None:
    before = meta.bundle_sha256(str(folder))
    meta.write(str(folder), replace(FULL, versions=dict(reversed(FULL.versions.items()))))
    assert meta.bundle_sha256(str(folder)) == before


def test_check_names_every_difference(folder: Path) -> None:
    description = meta.read(str(folder))
    (folder / "model.xml").write_text("Graph")
    (folder / "data" / "model.bin").unlink()
    (folder / "extra").mkdir()
    (folder / "extra" / "meta.json").write_text("{}")
    assert meta.check(str(folder), description) == [
        "data/model.bin is missing",
        "extra/meta.json is not listed in meta.json",
        "model.xml has changed",
    ]


@pytest.mark.parametrize("name", [*meta.SCHEMA["required"]])
def test_a_missing_field_is_refused(folder: Path, data: dict[str, Any], name: str) -> None:
    del data[name]
    with pytest.raises(MetaError, match=f"lacks '{name}'|format None"):
        reread(folder, data)


@pytest.mark.parametrize("name", [*meta.SCHEMA["required"]])
def test_a_field_of_another_type_is_refused(folder: Path, data: dict[str, Any], name: str) -> None:
    for wrong in (True, "text", 1.5, [1], {"a": 1}, None):
        allowed = meta.SCHEMA["properties"][name].get("type")
        kind = {str: "string", dict: "object", type(None): "null"}.get(type(wrong), "")
        if kind and kind in ([allowed] if isinstance(allowed, str) else allowed):
            continue
        with pytest.raises(EdgeclsError):
            reread(folder, {**data, name: wrong})


WRONG: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("unknown field 'more'", lambda d: d.update(more=1)),
    ("/golden has an unknown field", lambda d: d["golden"].update(more=1)),
    ("/postprocess has an unknown field", lambda d: d["postprocess"].update(more=1)),
    ("/golden lacks 'artifact'", lambda d: d["golden"].pop("artifact")),
    ("/golden/count is 0: out of range", lambda d: d["golden"].update(count=0)),
    ("/golden/count is not integer", lambda d: d["golden"].update(count=True)),
    ("/golden/source is 0: not above 0", lambda d: d["golden"].update(source=0)),
    ("Infinity is no JSON", lambda d: d["golden"].update(source=float("inf"))),
    ("NaN is no JSON", lambda d: d["golden"].update(artifact=float("nan"))),
    ("/temperature is 0: not above", lambda d: d["postprocess"].update(temperature=0)),
    ("threshold is 1.5: out of range", lambda d: d["postprocess"].update(reject_threshold=1.5)),
    ("/labels has 1 items", lambda d: d.update(labels=["one"])),
    ("/labels/1 is not string", lambda d: d.update(labels=["one", 2])),
    ("/model_files has 0 items", lambda d: d.update(model_files=[])),
    (
        "model_files names 'other', which files does not list",
        lambda d: d.update(model_files=["other"]),
    ),
    ("/input_shape has 3 items", lambda d: d.update(input_shape=[24, 32, 3])),
    ("/input_shape/0 is 0", lambda d: d.update(input_shape=[0, 24, 32, 3])),
    ("input_shape is not what preprocess", lambda d: d.update(input_shape=[1, 32, 24, 3])),
    ("/files/model.xml does not look", lambda d: d["files"].update({"model.xml": "0" * 63})),
    ("/versions/openvino is not string", lambda d: d["versions"].update(openvino=2026)),
    ("/scheme is not object or null", lambda d: d.update(scheme="u8s8")),
    ("/preprocess/antialias is not boolean", lambda d: d["preprocess"].update(antialias=1)),
    ("/preprocess/fill is not integer", lambda d: d["preprocess"].update(fill=True)),
    ("unknown resize 'squeeze'", lambda d: d["preprocess"].update(resize="squeeze")),
    ("unknown or missing fields", lambda d: d["preprocess"].update(more=1)),
    ("unknown or missing fields", lambda d: d["preprocess"].pop("size")),
]


@pytest.mark.parametrize(("message", "spoil"), WRONG, ids=[message for message, _ in WRONG])
def test_what_breaks_the_format_is_named(
    folder: Path, data: dict[str, Any], message: str, spoil: Callable[[dict[str, Any]], Any]
) -> None:
    spoil(data)
    with pytest.raises(EdgeclsError) as caught:
        reread(folder, data)
    assert message in str(caught.value)


@pytest.mark.parametrize("number", [0, 2, "1", None, True])
def test_another_format_is_refused_by_its_number(
    folder: Path, data: dict[str, Any], number: object
) -> None:
    message = "format is not integer" if number is True else f"format {number!r}.*reads format 1"
    with pytest.raises(MetaError, match=message):
        reread(folder, {**data, "format": number})


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"format": "\xff"}', b"\x80"])
def test_what_is_no_json_object_is_refused(folder: Path, text: bytes) -> None:
    (folder / "meta.json").write_bytes(text)
    with pytest.raises(MetaError, match=r"meta\.json"):
        meta.read(str(folder))


def test_a_link_and_a_pipe_are_refused(folder: Path) -> None:
    (folder / "link").symlink_to("data")
    with pytest.raises(MetaError, match="link is a symbolic link"):
        meta.write(str(folder), FULL)
    (folder / "link").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(MetaError, match="pipe is no regular file"):
        meta.check(str(folder), FULL)


def test_the_published_schema_is_the_one_in_the_code() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "edgecls.device.meta"], capture_output=True, check=True
    )
    assert made.stderr == b""
    assert made.stdout == (kits_folder() / "meta.schema.json").read_bytes()


def test_the_schema_requires_every_field_of_meta() -> None:
    fields = {"format", "seal", *meta.Meta.__dataclass_fields__}
    assert set(meta.SCHEMA["required"]) == set(meta.SCHEMA["properties"]) == fields


@pytest.mark.parametrize(
    ("target", "precision"),
    [("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("openvino", "fp32"), ("torch", "fp32")],
)
def test_every_bundle_is_valid_under_the_schema(
    package_bundle: Callable[[str, str], Path], target: str, precision: str
) -> None:
    bundle = package_bundle(target, precision)
    text = (bundle / "meta.json").read_text(encoding="utf-8")
    schema = json.loads((kits_folder() / "meta.schema.json").read_text(encoding="utf-8"))
    assert mismatch(json.loads(text), schema) == ""
    found = meta.read(str(bundle))
    assert (found.target, found.precision, found.kit) == (target, precision, target)
    assert (found.scheme is not None) == (precision == "int8")
    assert found.model_files[0] in found.files


def test_the_schema_names_every_field_of_preprocess() -> None:
    described = meta.SCHEMA["properties"]["preprocess"]["properties"]
    assert list(described) == list(Preprocess.__dataclass_fields__)


def test_our_validator_knows_every_keyword_that_the_schema_uses() -> None:
    words = set()

    def collect(schema: dict[str, Any]) -> None:
        words.update(schema)
        for inner in schema.get("properties", {}).values():
            collect(inner)
        for word in ("items", "additionalProperties"):
            if isinstance(schema.get(word), dict):
                collect(schema[word])

    collect(meta.SCHEMA)
    checked = {"type", "properties", "required", "additionalProperties", "items", "minItems"}
    checked |= {"maxItems", "pattern", "minimum", "maximum", "exclusiveMinimum", "const"}
    assert words <= checked | {"$schema", "title", "description"}


def test_our_validator_agrees_with_another(data: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    assert jsonschema.Draft202012Validator(meta.SCHEMA).is_valid(data)
    for message, spoil in WRONG:
        if message.startswith("/"):
            spoilt = copy.deepcopy(data)
            spoil(spoilt)
            assert not jsonschema.Draft202012Validator(meta.SCHEMA).is_valid(spoilt), message
