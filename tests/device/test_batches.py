"""Any number of images through a model that takes a fixed number of them."""

from __future__ import annotations

import numpy as np
import pytest

from edgecls.device import measure
from edgecls.device.batches import DYNAMIC, at_once, in_batches


@pytest.mark.parametrize(
    ("count", "batch", "asked"),
    [
        (5, 2, [2, 2, 2]),
        (4, 2, [2, 2]),
        (1, 3, [3]),
        (3, 3, [3]),
        (5, DYNAMIC, [5]),
        (2, 1, [1, 1]),
    ],
)
def test_each_image_has_its_answer_whatever_the_batch(count, batch, asked):
    seen = []

    def run(images):
        seen.append(len(images))
        return images.reshape(len(images), -1).astype(np.float32)

    images = np.arange(count * 4, dtype=np.uint8).reshape(count, 2, 2, 1)
    np.testing.assert_array_equal(in_batches(run, images, batch), images.reshape(count, 4))
    assert seen == asked


class Counted:
    """A runner that notes how many images it was asked for."""

    def __init__(self, **batch):
        self.asked = []
        self.__dict__.update(batch)

    def run(self, images):
        self.asked.append(len(images))
        return np.zeros((len(images), 2), np.float32)


@pytest.mark.parametrize(
    ("batch", "expected"), [({}, 1), ({"batch": 1}, 1), ({"batch": 4}, 4), ({"batch": DYNAMIC}, 1)]
)
def test_a_query_takes_as_many_images_as_the_model_does(batch, expected):
    runner = Counted(**batch)
    assert at_once(runner) == expected
    tensors = np.zeros((3, 2, 2, 1), np.uint8)
    ask = measure.query("inference", runner, None, tensors, [])  # type: ignore[arg-type]
    for index in range(5):
        ask(index)
    assert runner.asked == [expected] * 5
