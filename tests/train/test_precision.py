"""In which type a training multiplies."""

from __future__ import annotations

import pytest
import torch

from edgecls import hardware
from edgecls.core import Hardware
from edgecls.errors import UsageError
from edgecls.models import zoo
from edgecls.train import precision

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
PLAIN = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3))
GROUPED = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3, groups=4))


@pytest.fixture
def features(monkeypatch):
    """Let this machine have only those features."""

    def have(*names: str) -> None:
        monkeypatch.setattr(hardware, "here", lambda: Hardware("a", "x86_64", names))

    return have


@pytest.mark.parametrize("device", [CPU, GPU])
def test_what_is_asked_for_is_taken(device, features):
    features()
    assert precision.resolve("fp32", PLAIN, device) is None
    assert precision.resolve("bf16", GROUPED, device) is torch.bfloat16


def test_fp16_is_for_gpus():
    assert precision.resolve("fp16", PLAIN, GPU) is torch.float16
    with pytest.raises(UsageError, match="cannot be trained on a CPU") as caught:
        precision.resolve("fp16", PLAIN, CPU)
    assert "bf16" in caught.value.fix


@pytest.mark.parametrize("feature", ["avx512_bf16", "amx_bf16"])
def test_auto_is_bf16_on_a_cpu_that_has_it(feature, features):
    features("avx2", feature)
    assert precision.resolve("auto", PLAIN, CPU) is torch.bfloat16


def test_auto_is_fp32_on_a_cpu_that_would_emulate_it(features):
    features("avx2", "avx512f", "avx512_vnni")
    assert precision.resolve("auto", PLAIN, CPU) is None


@pytest.mark.parametrize("net", [GROUPED, zoo.build("mobilenet_v3_small_32", 2, 3, (32, 32))])
def test_auto_is_fp32_for_grouped_convolutions_on_a_cpu(net, features):
    features("avx512_bf16")
    assert precision.resolve("auto", net, CPU) is None


@pytest.mark.parametrize(("has_it", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_auto_on_a_gpu_is_the_half_that_it_has(has_it, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_it)
    assert precision.resolve("auto", GROUPED, GPU) is expected


def test_auto_elsewhere_is_fp32(features):
    features("avx512_bf16")
    assert precision.resolve("auto", PLAIN, torch.device("mps")) is None
