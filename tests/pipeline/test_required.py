"""--setup installs what a bundle requires: only packages of its own kit, without --trust-code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgecls import targets
from edgecls.bench.protocol import Protocol
from edgecls.device import meta
from edgecls.errors import TrustError
from edgecls.pipeline import required
from edgecls.pipeline.benching import bench
from edgecls.pipeline.events import Silent
from edgecls.remote.local import LocalHost

FOREIGN = [
    "git+https://example.org/x",
    "onnxruntime @ https://example.org/x.whl",
    "--index-url http://example.org",
    "-r other.txt",
    "./here",
    "left-pad==1",
    "openvino",
]


def sealed(bundle: Path, line: str) -> Path:
    """The bundle with a line more, and the hash that goes with it."""
    file = bundle / required.NAME
    file.write_text(file.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    meta.write(str(bundle), meta.read(str(bundle)))
    return bundle


@pytest.mark.parametrize("line", FOREIGN)
def test_a_line_that_is_no_package_of_the_kit_is_refused(bundle_copy: Path, line: str):
    bundle = sealed(bundle_copy, line)
    with pytest.raises(TrustError, match="would have pip install") as caught:
        required.check(bundle, meta.read(str(bundle)))
    assert line in caught.value.cause and "--trust-code" in caught.value.fix


def test_what_every_target_writes_is_known(bundle_copy: Path):
    for name in targets.names():
        target = targets.get(name)
        lines = ["numpy>=1.19", "pillow>=9.2", *target.requirements]
        (bundle_copy / required.NAME).write_text("\n".join(lines), encoding="utf-8")
        required.check(bundle_copy, replace(meta.read(str(bundle_copy)), kit=target.kit))


def test_it_is_refused_before_anything_travels(bundle_copy: Path):
    class Installing(LocalHost):
        installs = True

        def start(self, *_):
            raise AssertionError("it was started")

    bundle = sealed(bundle_copy, "left-pad==1")
    with pytest.raises(TrustError, match="left-pad"):
        bench([bundle], Protocol(1), False, Silent(), (Installing(),))
