"""The reference: the checkpoint itself, never shipped, measured as every other row."""

from __future__ import annotations

import pytest

from edgecls.core import Hardware, Request
from edgecls.errors import ConversionError, UsageError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint
from edgecls.pipeline.package import package
from edgecls.targets.torch import TARGET

HERE = Hardware("a server", "x86_64")


def test_it_is_the_checkpoint_without_its_samples(tiny_checkpoint, tmp_path):
    source = CheckpointSource(tiny_checkpoint, tmp_path / "unused.onnx")
    (tmp_path / "out").mkdir()
    artifact = TARGET.convert(source, Request("fp32", HERE), tmp_path / "out")
    names = sorted(path.name for path in artifact.folder.iterdir())
    assert names == ["checkpoint.json", "model.safetensors"]
    assert checkpoint.load(artifact.folder) == checkpoint.load(tiny_checkpoint)
    assert artifact.size_bytes == checkpoint.load(tiny_checkpoint).size_bytes
    assert not (tmp_path / "unused.onnx").exists()  # it needs no graph


def test_it_stays_on_the_host_and_has_one_precision(tiny_checkpoint, tmp_path):
    assert TARGET.host_only and TARGET.precisions == ("fp32",)
    with pytest.raises(ConversionError, match="has no int8"):
        TARGET.scheme(HERE)
    source = CheckpointSource(tiny_checkpoint, tmp_path / "unused.onnx")
    with pytest.raises(UsageError, match="torch has no int8") as caught:
        package("tiny", source, TARGET, "int8", tmp_path / "out")
    assert caught.value.fix == "valid: fp32"
