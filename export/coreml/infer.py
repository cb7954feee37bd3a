"""Runs this bundle with Core ML, on a Mac. See --help.

Core ML takes an image: the pixels go in as one, and the model normalises them itself.
"""

import os
import platform
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# The harness lies beside this file: after all else, so that nothing here is taken for a package.
sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != os.path.realpath(HERE)]
sys.path.append(HERE)
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

from harness.errors import EdgeclsError
from harness.harness import main

INPUT, OUTPUT = "image", "logits"


class Runner:
    """A loaded model. Core ML itself chooses the number of threads."""

    def __init__(self, folder, meta, threads):
        check_system()
        import coremltools

        self.version = coremltools.__version__
        self.units = units_for(meta.precision)
        units = getattr(coremltools.ComputeUnit, self.units)
        # A package is a folder: its files are listed, and it is what they lie in.
        path = os.path.join(folder, meta.model_files[0].split("/")[0])
        self.model = coremltools.models.MLModel(path, compute_units=units)
        self.reversed = meta.preprocess.mode == "BGR"

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K], one image after the other."""
        import numpy as np

        return np.concatenate([self._one(image) for image in images])

    def _one(self, image):
        import numpy as np

        given = {INPUT: picture(image, self.reversed)}
        return np.asarray(self.model.predict(given)[OUTPUT], dtype=np.float32).reshape(1, -1)

    def about(self):
        return {
            "runtime": "Core ML of macOS {}, coremltools {}".format(
                platform.mac_ver()[0], self.version
            ),
            "provider": "Core ML ({})".format(self.units),
            "compute_units": self.units,
            "threads": 0,
        }


def check_system():
    """Raise EdgeclsError where there is no Core ML."""
    if platform.system() != "Darwin":
        raise EdgeclsError(
            "Core ML runs on Apple's systems alone, and this is {}".format(platform.system()),
            "copy the bundle to a Mac and run there: python3 infer.py --verify",
        )


def units_for(precision):
    """What may compute it: fp32 on the CPU alone, because a GPU may sum in less."""
    return "CPU_ONLY" if precision == "fp32" else "ALL"


def picture(image, reverse):
    """uint8[H, W, C] as an image. reverse: whether its channels are blue, green and red.

    Core ML puts an image's channels into the order that the model names.
    """
    import numpy as np
    from PIL import Image

    if image.shape[2] == 1:
        return Image.fromarray(np.ascontiguousarray(image[:, :, 0]))
    return Image.fromarray(np.ascontiguousarray(image[:, :, ::-1] if reverse else image))


if __name__ == "__main__":
    sys.exit(main(HERE, Runner))
