"""Runs this bundle with ONNX Runtime on the CPU. See --help."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(HERE)  # for the harness beside this file
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists
# It would report its use to its maker, with a lasting id in this user's home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from harness.errors import EdgeclsError
from harness.harness import main

PROVIDER = "CPUExecutionProvider"


class Runner:
    """A session on the CPU provider, with the number of threads that was asked for."""

    def __init__(self, folder, meta, threads):
        import onnxruntime
        from harness import overflow
        from harness.batches import DYNAMIC, in_batches

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = os.path.join(folder, meta.model_files[0])
        self.version = onnxruntime.__version__
        self.threads = threads
        self.session = onnxruntime.InferenceSession(path, options, providers=[PROVIDER])
        if self.session.get_providers()[:1] != [PROVIDER]:
            raise EdgeclsError(
                "ONNX Runtime runs on {} instead of {}".format(
                    self.session.get_providers(), PROVIDER
                )
            )
        self.input = self.session.get_inputs()[0].name
        fixed = self.session.get_inputs()[0].shape[0]
        self.batch = fixed if isinstance(fixed, int) else DYNAMIC
        self.in_batches = in_batches
        # An .ort file is run as it is, and its kernels for int8 by int8 are exact.
        exact = path.endswith(".ort") and meta.scheme and meta.scheme["activation"] == "int8"
        self.warning = "" if exact else overflow.warning(meta.scheme)
        if self.warning:
            sys.stderr.write("warning: {}\n".format(self.warning))

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the graph's own batch is looped over."""
        return self.in_batches(self._run, images, self.batch)

    def _run(self, images):
        return self.session.run(None, {self.input: images})[0]

    def about(self):
        told = {"warning": self.warning} if self.warning else {}
        return {
            "runtime": "onnxruntime " + self.version,
            "provider": self.session.get_providers()[0],
            "batch": self.batch,
            "threads": self.threads,
            **told,
        }


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
