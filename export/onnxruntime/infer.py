"""Runs this bundle with ONNX Runtime on the CPU. See --help."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# The harness lies beside this file: after all else, so that nothing here is taken for a package.
sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != os.path.realpath(HERE)]
sys.path.append(HERE)
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

        self.path = os.path.join(folder, meta.model_files[0])
        self.version = onnxruntime.__version__
        self.threads = threads
        self.onnxruntime = onnxruntime
        self.session = self._start(self._options())
        if self.session.get_providers()[:1] != [PROVIDER]:
            raise EdgeclsError(
                "ONNX Runtime runs on {} instead of {}".format(
                    self.session.get_providers(), PROVIDER
                )
            )
        self.input = self.session.get_inputs()[0].name
        self.outputs = [self.session.get_outputs()[0].name]
        fixed = self.session.get_inputs()[0].shape[0]
        self.batch = fixed if isinstance(fixed, int) else DYNAMIC
        self.in_batches = in_batches
        # An .ort file is run as it is, and its kernels for int8 by int8 are exact.
        exact = self.path.endswith(".ort") and meta.scheme and meta.scheme["activation"] == "int8"
        self.warning = "" if exact else overflow.warning(meta.scheme)
        if self.warning:
            sys.stderr.write("warning: {}\n".format(self.warning))

    def _options(self):
        options = self.onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return options

    def _start(self, options):
        return self.onnxruntime.InferenceSession(self.path, options, providers=[PROVIDER])

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the graph's own batch is looped over."""
        return self.in_batches(self._run, images, self.batch)

    def _run(self, images):
        return self.session.run(self.outputs, {self.input: images})[0]

    def profile(self, images, queries):
        """Mean milliseconds of every operator of a query, by a session that writes them down."""
        import json
        import tempfile

        from harness.operators import WARMUP

        with tempfile.TemporaryDirectory() as scratch:
            options = self._options()
            options.enable_profiling = True
            options.profile_file_prefix = os.path.join(scratch, "profile")
            session = self._start(options)
            for _ in range(WARMUP + queries):
                session.run(self.outputs, {self.input: images})
            with open(session.end_profiling(), encoding="utf-8") as stream:
                return mean_times(json.load(stream), queries)

    def about(self):
        told = {"warning": self.warning} if self.warning else {}
        return {
            "runtime": "onnxruntime " + self.version,
            "provider": self.session.get_providers()[0],
            "batch": self.batch,
            "threads": self.threads,
            **told,
        }


def mean_times(events, queries):
    """The operators of the last `queries` queries, in their order. events: of ONNX Runtime's file.

    It writes whole microseconds, and more than the operators: those are "Node", at their
    "kernel_time".
    """
    end = "_kernel_time"
    found = {}
    for event in sorted(events, key=lambda event: event.get("ts", 0)):
        if event.get("cat") == "Node" and event["name"].endswith(end):
            key = event["name"][: -len(end)], event["args"]["op_name"]
            found.setdefault(key, []).append(event["dur"])
    return [
        {"name": name, "type": kind, "ms": sum(times[-queries:]) / queries / 1e3}
        for (name, kind), times in found.items()
    ]


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
