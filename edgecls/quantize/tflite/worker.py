"""``python -m edgecls.quantize.tflite.worker PROGRAM MODEL PRECISION``: one conversion.

PROGRAM is what `converting` saved a moment before; MODEL is where the flatbuffer goes. Where it
fails the reason goes beside it, as ``.error``, and the exit status is 1.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.ao.quantization.fx import _decomposed  # noqa: F401 - registers the operators


def main(program: Path, out: Path, precision: str) -> int:
    try:
        out.write_bytes(_converted(torch.export.load(program), precision))
    except Exception as error:  # noqa: BLE001 - whatever it is, it ends this process
        why = str(error).strip().partition("\n")[0]
        told = f"{type(error).__name__}: {why}"
        out.with_suffix(".error").write_text(told, encoding="utf-8")
        return 1
    return 0


def _converted(program: torch.export.ExportedProgram, precision: str) -> bytes:
    import litert_torch

    from edgecls.quantize.tflite import weights

    (example,), _ = program.example_inputs
    net = _in_evaluation(program.module())
    static = _static() if precision == "int8" else None
    data = bytes(litert_torch.convert(net, (example,), quant_config=static).model_content())
    return data if precision in ("fp32", "int8") else weights.changed(data, precision)


def _in_evaluation(net: nn.Module) -> nn.Module:
    """An exported module refuses ``eval()``, and is told by its flag alone."""
    for module in net.modules():
        module.training = False
    return net


def _static() -> Any:
    """The converter asks it for nothing but whether activations are quantized as they come."""
    from litert_torch.quantize import pt2e_quantizer
    from litert_torch.quantize.quant_config import QuantConfig

    static = pt2e_quantizer.PT2EQuantizer()
    static.set_global(pt2e_quantizer.get_symmetric_quantization_config(is_per_channel=True))
    return QuantConfig(pt2e_quantizer=static)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
