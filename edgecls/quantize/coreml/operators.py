"""Core ML's operators (MIL) in PyTorch, as far as classifiers have them, in float32.

Each takes what the operator's parameters are by name; tensors are PyTorch's, all else is plain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Parameters = dict[str, Any]


def _padded(x: Tensor, given: Parameters, kernel: Any, value: float = 0.0) -> Tensor:
    """x with the padding that Core ML names: before and after each axis."""
    kind = given.get("pad_type", "valid")
    if kind == "custom":
        pad = [int(each) for each in given["pad"]]
        return F.pad(x, [pad[2], pad[3], pad[0], pad[1]], value=value)
    if kind == "valid":
        return x
    if kind != "same":
        raise NotImplementedError(f"padding {kind}")
    sides: list[int] = []
    for axis in (1, 0):
        size, stride = x.shape[2 + axis], _whole(given.get("strides", (1, 1)))[axis]
        extent = (kernel[axis] - 1) * _whole(given.get("dilations", (1, 1)))[axis] + 1
        lacking = max(0, (-(-size // stride) - 1) * stride + extent - size)
        sides += [lacking // 2, lacking - lacking // 2]
    return F.pad(x, sides, value=value)


def _whole(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _conv(given: Parameters) -> Tensor:
    weight = given["weight"]
    return F.conv2d(
        _padded(given["x"], given, weight.shape[2:]),
        weight,
        given.get("bias"),
        stride=_whole(given.get("strides", (1, 1))),
        dilation=_whole(given.get("dilations", (1, 1))),
        groups=int(given.get("groups", 1)),
    )


def _max_pool(given: Parameters) -> Tensor:
    kernel = _whole(given["kernel_sizes"])
    x = _padded(given["x"], given, kernel, float("-inf"))
    stride = _whole(given.get("strides", (1, 1)))
    return F.max_pool2d(x, kernel, stride, ceil_mode=bool(given.get("ceil_mode", False)))


def _avg_pool(given: Parameters) -> Tensor:
    kernel, stride = _whole(given["kernel_sizes"]), _whole(given.get("strides", (1, 1)))
    ceil = bool(given.get("ceil_mode", False))
    mean = F.avg_pool2d(_padded(given["x"], given, kernel), kernel, stride, ceil_mode=ceil)
    if not given.get("exclude_padding_from_average", False):
        return mean
    share = F.avg_pool2d(_padded(torch.ones_like(given["x"]), given, kernel), kernel, stride)
    return mean / share


def _quantize(given: Parameters) -> Tensor:
    zero = given.get("zero_point", 0)
    low, high = (-128, 127) if given["output_dtype"] == "int8" else (0, 255)
    rounded = (given["input"].double() / _broadcast(given, "scale")).round() + zero
    made: Tensor = rounded.clamp(low, high).float()
    return made


def _dequantize(given: Parameters) -> Tensor:
    whole: Tensor = given["input"].float() - given.get("zero_point", 0)
    made: Tensor = whole * _broadcast(given, "scale")
    return made


def _broadcast(given: Parameters, name: str) -> Any:
    value = given[name]
    if isinstance(value, Tensor) and value.ndim == 1:
        shape = [1] * given["input"].ndim
        shape[int(given["axis"])] = -1
        return value.view(shape)
    return value


def _batch_norm(given: Parameters) -> Tensor:
    names = ("mean", "variance", "gamma", "beta")
    mean, variance, gamma, beta = (given.get(name) for name in names)
    assert mean is not None
    epsilon = float(given.get("epsilon", 1e-5))
    return F.batch_norm(given["x"], mean, variance, gamma, beta, eps=epsilon)


def _layer_norm(given: Parameters) -> Tensor:
    x, axes = given["x"], _whole(given["axes"])
    mean = x.mean(axes, keepdim=True)
    variance = x.var(axes, unbiased=False, keepdim=True)
    made = (x - mean) / (variance + float(given.get("epsilon", 1e-5))).sqrt()
    scaled: Tensor = made * given.get("gamma", 1.0) + given.get("beta", 0.0)
    return scaled


def _cast(given: Parameters) -> Any:
    x, kind = given["x"], given["dtype"]
    if not isinstance(x, Tensor):
        return x
    return x.float() if kind.startswith("fp") else x.to(torch.int64)


def _sliced(given: Parameters) -> Tensor:
    x = given["x"]
    rank = x.ndim
    begin, end = _whole(given["begin"]), _whole(given["end"])
    stride = _whole(given.get("stride", [1] * rank))
    masks = [given.get(name, [False] * rank) for name in ("begin_mask", "end_mask")]
    if any(given.get("squeeze_mask", [False] * rank)):
        raise NotImplementedError("a slice that drops an axis")
    parts = [
        slice(
            None if masks[0][axis] else begin[axis],
            None if masks[1][axis] else end[axis],
            stride[axis],
        )
        for axis in range(rank)
    ]
    return x[tuple(parts)]  # type: ignore[no-any-return]


def _split(given: Parameters) -> list[Tensor]:
    x, axis = given["x"], int(given["axis"])
    sizes = given.get("split_sizes")
    if sizes is None:
        return list(x.chunk(int(given["num_splits"]), axis))
    return list(x.split(list(_whole(sizes)), axis))


def _matmul(given: Parameters) -> Tensor:
    x, y = given["x"], given["y"]
    x = x.transpose(-1, -2) if given.get("transpose_x", False) else x
    y = y.transpose(-1, -2) if given.get("transpose_y", False) else y
    return torch.matmul(x, y)


def _gelu(given: Parameters) -> Tensor:
    modes = {"EXACT": "none", "TANH_APPROXIMATION": "tanh"}
    return F.gelu(given["x"], approximate=modes[given.get("mode", "EXACT")])


def _hard_sigmoid(given: Parameters) -> Tensor:
    made = float(given.get("alpha", 0.2)) * given["x"] + float(given.get("beta", 0.5))
    return made.clamp(0, 1)  # type: ignore[no-any-return]


def _thresholded(given: Parameters) -> Tensor:
    x: Tensor = given["x"]
    return torch.where(x >= float(given.get("alpha", 1.0)), x, 0.0)


def _mean(given: Parameters) -> Tensor:
    x = given["x"]
    axes = _whole(given.get("axes", range(x.ndim)))
    return x.mean(axes, keepdim=bool(given.get("keep_dims", False)))  # type: ignore[no-any-return]


def _squeezed(given: Parameters) -> Tensor:
    axes = given.get("axes")
    x = given["x"]
    return x.squeeze() if axes is None else x.squeeze(_whole(axes))  # type: ignore[no-any-return]


def _expanded(given: Parameters) -> Tensor:
    x: Tensor = given["x"]
    for axis in sorted(_whole(given["axes"])):
        x = x.unsqueeze(axis)
    return x


OPERATORS: dict[str, Callable[[Parameters], Any]] = {
    "conv": _conv,
    "linear": lambda given: F.linear(given["x"], given["weight"], given.get("bias")),
    "matmul": _matmul,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "reduce_mean": _mean,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "cast": _cast,
    "relu": lambda given: given["x"].relu(),
    "relu6": lambda given: given["x"].clamp(0, 6),
    "thresholded_relu": _thresholded,
    "clip": lambda given: given["x"].clamp(float(given["alpha"]), float(given["beta"])),
    "sigmoid": lambda given: given["x"].sigmoid(),
    "sigmoid_hard": _hard_sigmoid,
    "silu": lambda given: F.silu(given["x"]),
    "gelu": _gelu,
    "tanh": lambda given: given["x"].tanh(),
    "leaky_relu": lambda given: F.leaky_relu(given["x"], float(given.get("alpha", 0.01))),
    "softmax": lambda given: given["x"].softmax(int(given.get("axis", -1))),
    "add": lambda given: given["x"] + given["y"],
    "sub": lambda given: given["x"] - given["y"],
    "mul": lambda given: given["x"] * given["y"],
    "real_div": lambda given: given["x"] / given["y"],
    "maximum": lambda given: torch.maximum(*map(torch.as_tensor, (given["x"], given["y"]))),
    "minimum": lambda given: torch.minimum(*map(torch.as_tensor, (given["x"], given["y"]))),
    "reshape": lambda given: given["x"].reshape(_whole(given["shape"])),
    "transpose": lambda given: given["x"].permute(_whole(given["perm"])),
    "squeeze": _squeezed,
    "expand_dims": _expanded,
    "concat": lambda given: torch.cat(list(given["values"]), int(given["axis"])),
    "split": _split,
    "slice_by_index": _sliced,
    "identity": lambda given: given["x"],
}
