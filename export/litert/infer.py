"""Runs this bundle with LiteRT on the CPU, computed by XNNPACK. See --help."""

import contextlib
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# The harness lies beside this file: after all else, so that nothing here is taken for a package.
sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != os.path.realpath(HERE)]
sys.path.append(HERE)
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

from harness.errors import EdgeclsError
from harness.harness import main


class Runner:
    """An interpreter on the CPU, with the number of threads that was asked for."""

    def __init__(self, folder, meta, threads):
        from harness.batches import in_batches

        interpreter, self.version = _interpreter()
        path = os.path.join(folder, meta.model_files[0])
        self.threads = threads
        with _stderr_kept():
            self.model = interpreter(path, num_threads=threads or None)
            self.model.allocate_tensors()
        if not self._is_delegated():
            raise EdgeclsError("LiteRT runs without XNNPACK", "install another build of it")
        self.input = self.model.get_input_details()[0]["index"]
        self.output = self.model.get_output_details()[0]["index"]
        self.batch = int(self.model.get_input_details()[0]["shape"][0])
        self.in_batches = in_batches

    def _is_delegated(self):
        """Whether XNNPACK took a part of the net; an interpreter that does not tell is believed."""
        told = getattr(self.model, "_get_ops_details", None)
        return told is None or any(each["op_name"] == "DELEGATE" for each in told())

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the graph's own batch is looped over."""
        return self.in_batches(self._run, images, self.batch)

    def _run(self, images):
        self.model.set_tensor(self.input, images)
        self.model.invoke()
        return self.model.get_tensor(self.output)

    def about(self):
        return {
            "runtime": "litert " + self.version,
            "provider": "CPU (XNNPACK)",
            "threads": self.threads,
        }


def _interpreter():
    """The interpreter's class and its version: LiteRT's, or its predecessor's on an old Python."""
    try:
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, getattr(ai_edge_litert, "__version__", "")
    except ModuleNotFoundError as missing:
        try:
            import tflite_runtime
            from tflite_runtime.interpreter import Interpreter
        except ModuleNotFoundError:
            raise missing from None
        return Interpreter, "(tflite-runtime {})".format(tflite_runtime.__version__)


@contextlib.contextmanager
def _stderr_kept():
    """LiteRT tells of its delegate on stderr: shown only where the net cannot be loaded."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as elsewhere:
        os.dup2(elsewhere.fileno(), 2)
        try:
            yield
        except BaseException:
            elsewhere.seek(0)
            os.write(kept, elsewhere.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
