"""Runs this bundle with ncnn on the CPU. See --help.

ncnn has no uint8 tensors: the pixels are normalised here, with the constants of meta.json's
preprocess, and the golden check covers it.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# The harness lies beside this file: after all else, so that nothing here is taken for a package.
sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != os.path.realpath(HERE)]
sys.path.append(HERE)
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

from harness.errors import EdgeclsError
from harness.harness import main

INPUT, OUTPUT = "in0", "out0"


class Runner:
    """A loaded net on the CPU, with the number of threads that was asked for."""

    def __init__(self, folder, meta, threads):
        import ncnn

        self.ncnn = ncnn
        how = meta.preprocess
        self.mean = [255.0 * value for value in how.mean]
        self.norm = [1.0 / (255.0 * value) for value in how.std]
        kinds = ncnn.Mat.PixelType
        # No channel changes its place: RGB or BGR, the tensors have the net's own order.
        self.kind = kinds.PIXEL_GRAY if how.channels == 1 else kinds.PIXEL_RGB
        self.height, self.width = how.size
        self.net = ncnn.Net()
        set_precision(self.net.opt, meta.precision)
        if threads:
            self.net.opt.num_threads = threads
        self.precision = computed_in(ncnn, meta.precision)
        files = [os.path.join(folder, name) for name in meta.model_files]
        if self.net.load_param(files[0]) or self.net.load_model(files[1]):
            raise EdgeclsError("ncnn cannot load {}".format(files[0]), "install a newer ncnn")

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K], one image after the other."""
        import numpy as np

        return np.stack([self._one(np.ascontiguousarray(image)) for image in images])

    def _one(self, image):
        import numpy as np

        mat = self.ncnn.Mat.from_pixels(image, self.kind, self.width, self.height)
        mat.substract_mean_normalize(self.mean, self.norm)
        with self.net.create_extractor() as extractor:
            failed = extractor.input(INPUT, mat)
            status, logits = extractor.extract(OUTPUT)
            if failed or status:
                raise EdgeclsError("ncnn could not run the net", "export the bundle again")
            return np.array(logits, dtype=np.float32).ravel()

    def about(self):
        return {
            "runtime": "ncnn " + self.ncnn.__version__,
            "provider": "CPU",
            "precision": self.precision,
            "threads": self.net.opt.num_threads,
        }


def set_precision(options, precision):
    """Floats are what the bundle names: on its own ncnn takes float16 or bfloat16 where it can."""
    half = precision == "fp16"
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = half
    options.use_bf16_storage = False
    if hasattr(options, "use_bf16_packed"):  # not in older ones
        options.use_bf16_packed = False
    options.use_int8_inference = precision == "int8"
    options.use_vulkan_compute = False


def computed_in(ncnn, precision):
    """What layers in float are computed in on this CPU."""
    has_half = getattr(ncnn, "cpu_support_arm_asimdhp", lambda: 0)()
    return "f16" if precision == "fp16" and has_half else "f32"


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
