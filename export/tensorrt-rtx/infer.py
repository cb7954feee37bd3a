"""Runs this bundle's engine with TensorRT-RTX on an NVIDIA RTX GPU. See --help."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# The harness lies beside this file: after all else, so that nothing here is taken for a package.
sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != os.path.realpath(HERE)]
sys.path.append(HERE)
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

from harness.errors import EdgeclsError
from harness.harness import main

AGAIN = "compile it again for what is here: edgecls export CHECKPOINT --target "


class Runner:
    """The engine that the exporting host compiled; CPU threads change nothing."""

    def __init__(self, folder, meta, threads):
        # It needs numpy: here, so that its absence is told as the runtime's is.
        from cuda_session import Cuda, Session

        self.cuda = Cuda()
        rtx = tensorrt_rtx(meta.details["tensorrt_rtx"])
        known = meta.details["compute_capabilities"]
        if self.cuda.sm not in known:
            raise EdgeclsError(
                "{} has compute capability {}, and the engine was compiled for {}".format(
                    self.cuda.name, self.cuda.sm, ", ".join(known)
                ),
                AGAIN + "tensorrt",
            )
        self.version = rtx.__version__
        self.threads = threads
        self.path = os.path.join(folder, meta.model_files[0])
        self.runtime = rtx.Runtime(rtx.Logger(rtx.Logger.WARNING))
        with open(self.path, "rb") as stream:
            loaded = self.runtime.deserialize_cuda_engine(stream.read())
        if loaded is None:
            raise EdgeclsError(
                "TensorRT-RTX {} does not load {}: see its messages above".format(
                    self.version, self.path
                ),
                AGAIN + "tensorrt-rtx",
            )
        self.session = Session(rtx, self.cuda, loaded)
        self.batch = self.session.batch

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the engine's own batch is looped over."""
        return self.session.run(images)

    def profile(self, images, queries):
        return self.session.profile(images, queries)

    def about(self):
        return {
            "runtime": "tensorrt-rtx " + self.version,
            "provider": "cuda: {}, sm_{}".format(self.cuda.name, self.cuda.sm.replace(".", "")),
            "engine": self.path,
            "batch": self.batch,
            "threads": self.threads,
        }


def tensorrt_rtx(version):
    """The module, of the `version` that compiled the engine: it loads in no other."""
    import tensorrt_rtx as rtx

    if rtx.__version__ != version:
        raise EdgeclsError(
            "the engine was compiled by TensorRT-RTX {}, and {} is installed here".format(
                version, rtx.__version__
            ),
            '{} -m pip install "tensorrt_rtx_cu13=={}"; or {}tensorrt-rtx'.format(
                sys.executable, version, AGAIN
            ),
        )
    return rtx


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
