"""Runs this bundle with ExecuTorch's Python runtime on the CPU, computed by XNNPACK. See --help.

The runtime hands tensors over as PyTorch's, so it needs PyTorch; the native one does not.
"""

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

BACKEND = "XnnpackBackend"


class Runner:
    """A loaded program, with the number of threads that was asked for."""

    def __init__(self, folder, meta, threads):
        from harness.batches import in_batches

        with _stderr_kept():
            import torch
            from executorch.extension.pybindings import portable_lib
            from executorch.runtime import Runtime

            runtime = Runtime.get()
            if not runtime.backend_registry.is_available(BACKEND):
                raise EdgeclsError("this ExecuTorch has no XNNPACK", "install another build of it")
            if threads:
                # Before the program is loaded: XNNPACK takes the pool as it finds it.
                portable_lib._unsafe_reset_threadpool(threads)
                torch.set_num_threads(threads)
            self.threads = portable_lib._threadpool_get_thread_count()
            path = os.path.join(folder, meta.model_files[0])
            self.program = runtime.load_program(path)
            self.method = self.program.load_method("forward")
        self.tensor = torch.from_numpy
        self.batch = self.method.metadata.input_tensor_meta(0).sizes()[0]
        self.version = _version()
        self.in_batches = in_batches

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the graph's own batch is looped over."""
        return self.in_batches(self._run, images, self.batch)

    def _run(self, images):
        # PyTorch warns of an array that is read-only, and writes to none; ExecuTorch reads one with
        # strides as if it had none.
        fits = images.flags.writeable and images.flags.c_contiguous
        given = images if fits else images.copy()
        return self.method.execute([self.tensor(given)])[0].numpy()

    def about(self):
        return {
            "runtime": "executorch " + self.version,
            "provider": "CPU (XNNPACK)",
            "threads": self.threads,
        }


def _version():
    from importlib.metadata import version

    return version("executorch")


@contextlib.contextmanager
def _stderr_kept():
    """It tells of the CPU on stderr: shown only where the program cannot be loaded."""
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
