"""A peer's conversion of a PyTorch module to int8, in a room of its own, as its documentation does.

    python benchmarks/peers_convert.py TOOL GIVEN OUT

GIVEN holds ``net.pt``, a module that takes normalised float32[1, C, H, W]; ``calibration.npy``,
uint8[N, H, W, C]; and ``constants.json``. Nothing of edgecls is imported: the rooms do not have it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from peers_numpy import Array, normalised

INPUT = "input"


def images(given: Path) -> list[Array]:
    """The calibration images as the net takes them, float32[1, C, H, W] each."""
    constants = json.loads((given / "constants.json").read_text(encoding="utf-8"))
    return [normalised(image, constants) for image in np.load(given / "calibration.npy")]


def loaded(given: Path) -> Any:
    import torch

    return torch.load(given / "net.pt", weights_only=False).eval()


def onnxruntime(given: Path, out: Path) -> None:
    """Export, pre-process, quantize_static: all at their defaults.

    Where its symbolic shape inference fails, it is left out, as its documentation advises.
    """
    import torch
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(images(given))

        def get_next(self) -> dict[str, Array] | None:
            image = next(self.left, None)
            return None if image is None else {INPUT: image}

    example = (torch.from_numpy(images(given)[0]),)
    exported, prepared = out / "float.onnx", out / "prepared.onnx"
    # In one file: its pre-processing does not find weights beside a graph.
    torch.onnx.export(
        loaded(given),
        example,
        str(exported),
        input_names=[INPUT],
        dynamo=True,
        external_data=False,
    )
    try:
        quant_pre_process(str(exported), str(prepared))
    except Exception:  # noqa: BLE001 - it fails in many ways on what it cannot follow
        quant_pre_process(str(exported), str(prepared), skip_symbolic_shape=True)
    quantize_static(str(prepared), str(out / "model.onnx"), Reader())


def nncf(given: Path, out: Path) -> None:
    """OpenVINO's converter, NNCF's default preset."""
    import nncf as tool
    import openvino as ov
    import torch

    given_images = images(given)
    model = ov.convert_model(loaded(given), example_input=torch.from_numpy(given_images[0]))
    model.reshape(given_images[0].shape)
    ov.save_model(tool.quantize(model, tool.Dataset(given_images)), str(out / "model.xml"))


def olive(given: Path, out: Path) -> None:
    """A workflow of two passes: OnnxConversion and OnnxStaticQuantization."""
    from olive import run  # type: ignore[import-not-found]

    script = str(Path(__file__).with_name("peers_olive.py"))
    config = {
        "input_model": {
            "type": "PyTorchModel",
            "model_path": str(given),
            "model_script": script,
            "model_loader": "net",
            "io_config": {
                "input_names": [INPUT],
                "input_shapes": [list(images(given)[0].shape)],
                "output_names": ["output"],
            },
        },
        "data_configs": [
            {
                "name": "calibration",
                "type": "DataContainer",
                "user_script": script,
                "load_dataset_config": {"type": "calibration_images", "given": str(given)},
                "dataloader_config": {"type": "as_they_are"},
            }
        ],
        "passes": {
            "conversion": {"type": "OnnxConversion"},
            "quantization": {"type": "OnnxStaticQuantization", "data_config": "calibration"},
        },
        "cache_dir": str(out / "cache"),
        "output_dir": str(out / "olive"),
    }
    run(config)
    found = next((out / "olive").rglob("*.onnx"))
    found.rename(out / "model.onnx")


TOOLS = {"onnxruntime": onnxruntime, "nncf": nncf, "olive": olive}

if __name__ == "__main__":
    TOOLS[sys.argv[1]](Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve())
