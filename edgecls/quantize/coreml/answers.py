"""What a Core ML package answers, computed by PyTorch from its own files: no Mac is needed.

In float32, whatever the package computes in: it proves the operators, the weights, the ranges and
the normalisation, and not the rounding of float16 or a device's kernels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgecls.core import Images, Logits
from edgecls.quantize.coreml import package as packages
from edgecls.quantize.coreml.converting import OUTPUT
from edgecls.quantize.coreml.operators import OPERATORS
from edgecls.quantize.quiet import quiet


class NotKnown(Exception):
    """An operator that is not among `OPERATORS`."""


def logits(package: Path, images: Images) -> Logits:
    """The package's answers to uint8[N, H, W, C], one image after the other.

    The channels are in the order that its input names. Raises NotKnown.
    """
    with quiet():
        main = packages.program(package)
    constants = _constants(main)
    parts = []
    with torch.inference_mode():
        for image in images:
            pixels = torch.from_numpy(np.array(image)).float().permute(2, 0, 1)[None]
            parts.append(_run(main, dict(constants), pixels))
    return np.concatenate(parts)


def _constants(main: Any) -> dict[str, Any]:
    """Value -> what it is, of all that does not depend on the image."""
    found: dict[str, Any] = {}
    for operation in main.operations:
        if operation.op_type.startswith("constexpr_"):
            found[operation.outputs[0].name] = _plain(operation.materialized_val_inference())
        elif operation.op_type == "const":
            found[operation.outputs[0].name] = _plain(operation.outputs[0].val)
    return found


def _plain(value: Any) -> Any:
    """An array as a tensor, float32 where it is a float; all else as it is."""
    if isinstance(value, np.ndarray) and value.ndim:
        kind = np.float32 if value.dtype.kind == "f" else value.dtype
        return torch.from_numpy(np.array(value, dtype=kind))
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value


def _run(main: Any, values: dict[str, Any], pixels: torch.Tensor) -> Any:
    (given,) = main.inputs
    values[given] = pixels
    for operation in main.operations:
        if operation.outputs[0].name in values:
            continue
        if operation.op_type not in OPERATORS:
            raise NotKnown(operation.op_type)
        known = {name: _value(each, values) for name, each in operation.inputs.items()}
        parameters = {name: value for name, value in known.items() if value is not None}
        made = OPERATORS[operation.op_type](parameters)
        results = made if isinstance(made, list) else [made]
        for output, result in zip(operation.outputs, results, strict=True):
            values[output.name] = result
    return values[OUTPUT].numpy()


def _value(given: Any, values: dict[str, Any]) -> Any:
    """What a parameter is: one value, several, or None where it is left out."""
    if isinstance(given, (tuple, list)):
        return [_value(each, values) for each in given]
    if given is None:
        return None
    return values[given.name] if given.name in values else _plain(given.val)
