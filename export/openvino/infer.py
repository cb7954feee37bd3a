"""Runs this bundle with OpenVINO on the device that it was made for. See --help."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(HERE)  # for the harness beside this file
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

from harness.errors import EdgeclsError
from harness.harness import main

CPU = "CPU"


class Runner:
    """A compiled model on one device, in the precision that the bundle names."""

    def __init__(self, folder, meta, threads):
        import openvino
        from harness import overflow
        from harness.batches import DYNAMIC, in_batches

        self.version = openvino.__version__
        self.threads = threads
        device = meta.details.get("device", CPU)
        core = openvino.Core()
        check_device(core, device)
        hint = floats_in(meta.precision, device)
        # Without the instructions OpenVINO would compute in f32, and not say so.
        if hint == "bf16" and "BF16" not in core.get_property(device, "OPTIMIZATION_CAPABILITIES"):
            raise EdgeclsError("this CPU has no bf16", "export fp32 or int8 for it")
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        if device == CPU:
            settings["NUM_STREAMS"] = "1"
        if device == CPU and threads:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        path = os.path.join(folder, meta.model_files[0])
        self.model = core.compile_model(path, device, settings)
        self.device = list(self.model.get_property("EXECUTION_DEVICES"))
        if [name.split(".")[0] for name in self.device] != [device]:
            raise EdgeclsError("OpenVINO runs on {} instead of {}".format(self.device, device))
        self.request = self.model.create_infer_request()
        fixed = self.model.inputs[0].partial_shape[0]
        self.batch = fixed.get_length() if fixed.is_static else DYNAMIC
        self.in_batches = in_batches
        self.warning = overflow.warning(meta.scheme) if device == CPU else ""
        if self.warning:
            sys.stderr.write("warning: {}\n".format(self.warning))

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the graph's own batch is looped over."""
        return self.in_batches(self._run, images, self.batch)

    def _run(self, images):
        self.request.infer([images], share_inputs=True)
        return self.request.get_output_tensor().data.copy()

    def about(self):
        told = {"warning": self.warning} if self.warning else {}
        return {
            "runtime": "openvino " + self.version,
            "provider": ",".join(self.device),
            "precision": str(self.model.get_property("INFERENCE_PRECISION_HINT")),
            "batch": self.batch,
            "threads": self.threads,
            **told,
        }


def check_device(core, device):
    """Raise EdgeclsError where OpenVINO does not see `device`."""
    seen = core.available_devices
    if not any(name.split(".")[0] == device for name in seen):
        raise EdgeclsError(
            "OpenVINO sees no {} here, only {}".format(device, ", ".join(seen) or "nothing"),
            "install its driver, or export --target openvino for the CPU",
        )


def floats_in(precision, device):
    """What floats are computed in; int8 layers stay int8.

    Said always: on its own OpenVINO goes to bf16 or fp16 where the device is quicker so.
    """
    if precision == "bf16":
        return "bf16"
    return "f32" if device == CPU else "f16"


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
