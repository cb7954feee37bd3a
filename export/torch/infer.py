"""Runs this bundle in PyTorch eager: the host's reference, which needs edgecls itself.

The faster of the two memory layouts is taken, so that no other row wins by a slow reference.
"""

import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# The harness lies beside this file: after all else, so that nothing here is taken for a package.
sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != os.path.realpath(HERE)]
sys.path.append(HERE)
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

from harness.harness import main

TRIALS = 30


class Runner:
    """The checkpoint's own net, in evaluation mode and fp32."""

    def __init__(self, folder, meta, threads):
        import pathlib

        import torch

        from edgecls.models import checkpoint
        from edgecls.models.normalise import Deployable

        if threads:
            torch.set_num_threads(threads)
        torch.backends.fp32_precision = "ieee"  # neither TF32 nor bf16
        self.torch = torch
        loaded = checkpoint.load(pathlib.Path(folder))
        self.net = Deployable(checkpoint.module(loaded), loaded.preprocess).eval()
        # It takes any number; so many are asked of it at once.
        self.batch = meta.details.get("batch", 1)
        self.layout = self._faster_layout(meta.input_shape)

    def _faster_layout(self, shape):
        """Name of the layout with the lower median; the net is left in it."""
        layouts = {
            "contiguous": self.torch.contiguous_format,
            "channels_last": self.torch.channels_last,
        }
        image = self.torch.zeros(shape, dtype=self.torch.uint8).numpy()
        medians = {}
        for name, layout in layouts.items():
            self.net.to(memory_format=layout)
            samples = []
            for _ in range(TRIALS):
                begin = time.perf_counter()
                self.run(image)
                samples.append(time.perf_counter() - begin)
            medians[name] = sorted(samples)[TRIALS // 2]
        best = min(medians, key=medians.get)
        self.net.to(memory_format=layouts[best])
        return best

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]."""
        with self.torch.inference_mode():
            return self.net(self.torch.from_numpy(images)).numpy()

    def about(self):
        return {
            "runtime": "torch " + self.torch.__version__,
            "provider": "CPU",
            "layout": self.layout,
            "batch": self.batch,
            "threads": self.torch.get_num_threads(),
        }


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
