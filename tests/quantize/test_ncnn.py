"""ncnn's two files: what is read is written again, and int8 layers compute as ncnn2int8's do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from edgecls.errors import ConversionError
from edgecls.quantize.ncnn import param, writing
from edgecls.quantize.ncnn.converting import Net, _check
from edgecls.quantize.ncnn.integers import Integers

CHAIN = """7767517
5 6
Input                    in0                      0 1 in0
Convolution              first                    1 1 in0 1 0=8 1=3 4=1 5=1 6=216 9=1
ConvolutionDepthWise     second                   1 1 1 2 0=8 1=3 4=1 5=1 6=72 7=8 9=3 -23310=2,0.000000e+00,6.000000e+00
Split                    splitncnn_0              1 2 2 3 4
InnerProduct             third                    1 1 3 out0 0=5 1=0 2=1280
"""  # noqa: E501 - a line of the format


def layer(name: str, shape: tuple[int, ...], step: float, seed: int) -> Integers:
    random = np.random.default_rng(seed)
    weights = random.integers(-127, 128, shape).astype(np.int8)
    steps = random.uniform(0.001, 0.004, shape[0]).astype(np.float32)
    floats = weights.astype(np.float32) * steps.reshape(-1, *[1] * (len(shape) - 1))
    return Integers(name, weights, steps, floats, step)


FIRST = layer("a", (8, 3, 3, 3), 0.03, 1)
SECOND = layer("b", (8, 1, 3, 3), 0.05, 2)
THIRD = layer("c", (5, 256), 0.04, 3)
BIASES = np.random.default_rng(4).normal(size=(2, 8)).astype(np.float32)


def chain(text: str = CHAIN) -> Net:
    """Two convolutions and a product on 4×8 maps, in float."""
    mark = bytes(4)
    parts = [mark + FIRST.floats.tobytes() + BIASES[0].tobytes()]
    parts += [mark + SECOND.floats.tobytes() + BIASES[1].tobytes()]
    return Net(param.read(text), b"".join([*parts, mark + THIRD.floats.tobytes()]))


def test_what_is_read_is_written_again() -> None:
    assert param.text(param.read(CHAIN)) == CHAIN


def test_a_file_of_another_kind_is_refused() -> None:
    for text in ("", "7767517\n1 1\nInput\n", CHAIN.replace("7767517", "1")):
        with pytest.raises(ConversionError, match=r"cannot be read"):
            param.read(text)


def test_an_operator_that_pnnx_left_is_told() -> None:
    with pytest.raises(ConversionError, match=r"no operator for F\.fold"):
        _check(param.read(CHAIN.replace("Split ", "F.fold ")))
    with pytest.raises(ConversionError, match="named the input"):
        _check(param.read(CHAIN.replace("out0", "12")))


def test_int8_goes_on_only_to_convolutions_that_read_nothing_else() -> None:
    """From the first to the second; not from the second to a product."""
    made = writing.quantized(chain(), [THIRD, SECOND, FIRST])
    terms = {each.name: each.values.get(param.INT8) for each in made.layers}
    assert terms == {"in0": None, "first": "102", "second": "1", "splitncnn_0": None, "third": "2"}
    assert param.histogram(made.layers) == {
        "Convolution (int8)": 1,
        "ConvolutionDepthWise (int8)": 1,
        "InnerProduct (int8)": 1,
        "Input": 1,
        "Split": 1,
    }
    alone = writing.quantized(chain(), [FIRST, THIRD])
    assert [each.values.get(param.INT8) for each in alone.layers[1:]] == ["2", None, None, "2"]


def test_groups_of_several_channels_and_foreign_weights_stay_in_float() -> None:
    grouped = CHAIN.replace("6=72 7=8", "6=72 7=4")
    made = writing.quantized(chain(grouped), [FIRST, SECOND, THIRD])
    assert made.layers[2].values.get(param.INT8) is None
    assert SECOND.floats.tobytes() + BIASES[1].tobytes() in made.weights
    with pytest.raises(ConversionError, match="no layer"):
        writing.quantized(chain(), [layer("d", (8, 3, 3, 3), 1.0, 9)])


@pytest.mark.parametrize("chosen", [[FIRST], [FIRST, SECOND, THIRD], [SECOND, THIRD]])
def test_ncnn_computes_the_layers_as_they_are_meant(chosen: list[Integers], tmp_path: Path) -> None:
    ncnn = pytest.importorskip("ncnn", reason="pip install 'edgecls[ncnn]' brings the runtime")
    made = writing.quantized(chain(), chosen)
    (tmp_path / "net.param").write_text(param.text(made.layers))
    (tmp_path / "net.bin").write_bytes(made.weights)
    net = ncnn.Net()
    net.opt.num_threads = 1
    assert net.load_param(str(tmp_path / "net.param")) == 0
    assert net.load_model(str(tmp_path / "net.bin")) == 0
    image = np.random.default_rng(5).normal(size=(3, 4, 8)).astype(np.float32)
    with net.create_extractor() as extractor:
        extractor.input(param.INPUT, ncnn.Mat(image))
        found = np.array(extractor.extract(param.OUTPUT)[1])
    expected = reference(image, chosen)
    # A value between two integers is rounded to either.
    assert np.abs(found - expected).max() <= 0.01 * expected.std()


def reference(image: np.ndarray, chosen: list[Integers]) -> np.ndarray:
    def rounded(x: torch.Tensor, integers: Integers) -> torch.Tensor:
        if integers not in chosen:
            return x
        return (x / integers.step).round().clamp(-127, 127) * integers.step

    x = torch.from_numpy(image)[None]
    weights = [torch.from_numpy(each.floats) for each in (FIRST, SECOND, THIRD)]
    biases = torch.from_numpy(BIASES)
    x = F.conv2d(rounded(x, FIRST), weights[0], biases[0], padding=1).relu()
    x = F.conv2d(rounded(x, SECOND), weights[1], biases[1], padding=1, groups=8).clamp(0, 6)
    return F.linear(rounded(x.flatten(1), THIRD), weights[2])[0].numpy()
