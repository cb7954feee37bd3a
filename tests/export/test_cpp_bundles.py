"""Bundles that are wrong, read by the C++ kit with sanitizers: each is refused with its reason."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecls.device import golden, meta

Check = Callable[..., list[dict[str, Any]]]


def reseal(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a meta.json and seal it again: only its meaning is wrong."""
    data = json.loads((bundle / "meta.json").read_text(encoding="utf-8"))
    change(data)
    text = json.dumps({**data, **({"seal": meta.BLANK} if "seal" in data else {})}, indent=1)
    (bundle / "meta.json").write_bytes(meta.sealed(text.encode()))


# What is said -> what is wrong in a meta.json that is sealed again.
META: dict[str, Callable[[dict[str, Any]], Any]] = {
    "lacks 'labels'": lambda d: d.pop("labels"),
    "unknown field 'more'": lambda d: d.update(more=1),
    "/golden has an unknown field": lambda d: d["golden"].update(more=1),
    "/golden/count is 0: out of range": lambda d: d["golden"].update(count=0),
    "/golden/count is not integer": lambda d: d["golden"].update(count=1.0),
    "golden/008.png is missing": lambda d: d["golden"].update(count=10**9),
    "golden/count is too large": lambda d: d["golden"].update(count=10**17),
    "/temperature is 0": lambda d: d["postprocess"].update(temperature=0),
    "/labels has 1 items": lambda d: d.update(labels=["one"]),
    "/labels/1 is not string": lambda d: d.update(labels=["a", 2]),
    "/scheme is not object or null": lambda d: d.update(scheme="s"),
    "/files/model.onnx does not look": lambda d: d["files"].update({"model.onnx": "x"}),
    "input_shape is not what preprocess": lambda d: d.update(input_shape=[1, 9, 9, 1]),
    "which files does not list": lambda d: d.update(model_files=["../x"]),
    "/preprocess/exif is not boolean": lambda d: d["preprocess"].update(exif=1),
    "unknown resize 'fit'": lambda d: d["preprocess"].update(resize="fit"),
    "format 2, but this binary reads format 1": lambda d: d.update(format=2),
    "format null, but": lambda d: d.update(format=None),
}


def rewrite(name: str, change: Callable[[str], str]) -> Callable[[Path], Any]:
    """Change the text of a file."""
    return lambda b: (b / name).write_text(change((b / name).read_text(encoding="utf-8")))


def halve_the_tensors(bundle: Path) -> None:
    tensors = np.load(bundle / golden.INPUTS)
    np.save(bundle / golden.INPUTS, np.ascontiguousarray(tensors[:, :16]))


FOLDER: dict[str, Callable[[Path], Any]] = {
    "not a JSON object": rewrite("meta.json", lambda text: "[]"),
    "no JSON": rewrite("meta.json", lambda text: '{"format": NaN}'),
    "is not a bundle": lambda b: (b / "meta.json").unlink(),
    "meta.json has changed": rewrite("meta.json", lambda text: text.replace('"tiny"', '"Tiny"')),
    "meta.json has changed ": rewrite("meta.json", lambda text: text.replace('seal": ', 'seal":')),
    "model.onnx is missing": lambda b: (b / "model.onnx").unlink(),
    "infer.py has changed": rewrite("infer.py", lambda text: ""),
    "extra.py is not listed": lambda b: (b / "extra.py").write_text(""),
    "link is a symbolic link": lambda b: (b / "link").symlink_to("model.onnx"),
    "folder is a symbolic link": lambda b: (b / "folder").symlink_to("/etc"),
    "pipe is no regular file": lambda b: os.mkfifo(b / "pipe"),
    "inputs.npy is uint8[8, 16, 32, 1]": halve_the_tensors,
}


@pytest.fixture(scope="module")
def wrong_bundles(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    again = {reason: partial(reseal, change=change) for reason, change in META.items()}
    for index, (reason, spoil) in enumerate({**again, **FOLDER}.items()):
        bundle = shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("wrong") / str(index))
        spoil(bundle)
        found[reason] = bundle
    return found


def test_a_wrong_bundle_is_refused_with_its_own_message(
    sanitized: Check, wrong_bundles: dict[str, Path], tiny_bundle: Path
) -> None:
    requests = [{"do": "bundle", "folder": str(bundle)} for bundle in wrong_bundles.values()]
    (whole,) = sanitized([{"do": "bundle", "folder": str(tiny_bundle)}])
    assert whole["problems"] == []
    for reason, answer in zip(wrong_bundles, sanitized(requests), strict=True):
        said = " ".join([answer.get("error", ""), *answer.get("problems", [])])
        assert reason.strip() in said, (reason, answer)
