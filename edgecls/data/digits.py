"""scikit-learn's 1,797 real handwritten digits as a folder of images: the demo's data.

They come with a dependency, so that the whole job runs without a network.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from edgecls.errors import DataError


def write_digits(folder: Path) -> None:
    """Write ``<folder>/<digit>/<number>.png``, 8×8 in grayscale, the same bytes on every machine.

    A folder that is already there is left as it is: it was renamed into place when it was whole.
    Raises DataError where a file stands there.
    """
    from sklearn.datasets import load_digits

    if folder.is_dir():
        return
    if folder.exists():
        raise DataError(f"{folder} is a file, not a folder", "choose another place")
    digits = load_digits()
    # 0..16 become 0..255.
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    beside = folder.with_name(folder.name + ".part")
    shutil.rmtree(beside, ignore_errors=True)
    counts: Counter[int] = Counter()
    for image, digit in zip(images, digits.target.tolist(), strict=True):
        path = beside / str(digit) / f"{counts[digit]:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Stored, not deflated: the bytes do not depend on the version of a compressor.
        Image.fromarray(image).save(path, compress_level=0)
        counts[digit] += 1
    beside.replace(folder)
