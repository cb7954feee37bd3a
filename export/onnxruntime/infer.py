"""Runs this bundle with ONNX Runtime on the CPU. See --help."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(HERE)  # for the harness beside this file
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

from harness.errors import EdgeclsError
from harness.harness import main

PROVIDER = "CPUExecutionProvider"


class Runner:
    """A session on the CPU provider, with the number of threads that was asked for."""

    def __init__(self, folder, meta, threads):
        import onnxruntime

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
        self.batch = self.session.get_inputs()[0].shape[0]

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the graph's own batch is looped over."""
        if len(images) == self.batch:
            return self.session.run(None, {self.input: images})[0]
        import numpy as np

        parts = [images[i : i + 1] for i in range(len(images))]
        return np.concatenate([self.session.run(None, {self.input: p})[0] for p in parts])

    def about(self):
        return {
            "runtime": "onnxruntime " + self.version,
            "provider": self.session.get_providers()[0],
            "threads": self.threads,
        }


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
