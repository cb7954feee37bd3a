"""Runs this bundle with OpenVINO on the CPU. See --help."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(HERE)  # for the harness beside this file
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

from harness.errors import EdgeclsError
from harness.harness import main

DEVICE = "CPU"


class Runner:
    """A compiled model on the CPU, in the precision that the bundle names."""

    def __init__(self, folder, meta, threads):
        import openvino

        # f32 keeps OpenVINO from going to bf16 or fp16 on its own; int8 layers stay int8.
        hint = "bf16" if meta.precision == "bf16" else "f32"
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_PRECISION_HINT": hint,
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        self.version = openvino.__version__
        self.threads = threads
        path = os.path.join(folder, meta.model_files[0])
        core = openvino.Core()
        # Without the instructions OpenVINO would compute in f32, and not say so.
        if hint == "bf16" and "BF16" not in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES"):
            raise EdgeclsError("this CPU has no bf16", "export fp32 or int8 for it")
        self.model = core.compile_model(path, DEVICE, settings)
        self.device = self.model.get_property("EXECUTION_DEVICES")
        if list(self.device) != [DEVICE]:
            raise EdgeclsError("OpenVINO runs on {} instead of {}".format(self.device, DEVICE))
        self.request = self.model.create_infer_request()
        self.batch = self.model.inputs[0].shape[0]

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the graph's own batch is looped over."""
        if len(images) == self.batch:
            self.request.infer([images], share_inputs=True)
            return self.request.get_output_tensor().data.copy()
        import numpy as np

        return np.concatenate([self.run(images[i : i + 1]) for i in range(len(images))])

    def about(self):
        return {
            "runtime": "openvino " + self.version,
            "provider": ",".join(self.device),
            "precision": str(self.model.get_property("INFERENCE_PRECISION_HINT")),
            "threads": self.threads,
        }


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
