"""What a query of each phase is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecls.device import golden, measure, meta
from edgecls.device.scenarios import PHASES


def test_probabilities_add_up_to_one_and_do_not_overflow() -> None:
    logits = np.array([[1000.0, 0.0], [-1e4, -1e4]], np.float32)
    assert measure.probabilities(logits, 1.0).tolist() == [[1.0, 0.0], [0.5, 0.5]]
    soft, hard = (measure.probabilities(np.array([[2.0, 0.0]]), t)[0, 0] for t in (2.0, 0.5))
    assert soft == pytest.approx(1 / (1 + np.exp(-1)))
    assert hard == pytest.approx(1 / (1 + np.exp(-4)))


class Runner:
    """Gives logits that tell which of the golden images it was asked for."""

    def __init__(self, tensors: np.ndarray) -> None:
        self.tensors, self.asked = tensors, list[np.ndarray]()

    def run(self, images: np.ndarray) -> np.ndarray:
        self.asked.append(images)
        same = (images[:, None] == self.tensors[None]).all(axis=(2, 3, 4))
        return np.pad(same, ((0, 0), (0, 10 - len(self.tensors)))).astype(np.float32)


@pytest.fixture
def given(tiny_bundle: Path) -> tuple[meta.Meta, np.ndarray, list[bytes]]:
    description = meta.read(str(tiny_bundle))
    files = [Path(path).read_bytes() for path in golden.image_paths(str(tiny_bundle), description)]
    return description, golden.inputs(str(tiny_bundle), description), files


def answers(phase: str, given: Any, samples: int | None = None) -> tuple[list[Any], Runner]:
    """One query more than there are images, and the runner that they were asked of."""
    description, tensors, files = given
    runner = Runner(tensors)
    ask = measure.query(phase, runner, description, tensors, files, samples)
    return [ask(index) for index in range(len(tensors) + 1)], runner


def test_an_inference_takes_the_golden_tensors_in_turn(given: Any) -> None:
    said, runner = answers("inference", given)
    numbers = [*range(len(given[1])), 0]
    assert [int(np.argmax(logits)) for logits in said] == numbers
    assert np.array_equal(np.concatenate(runner.asked), given[1][numbers])


def test_a_query_of_many_images_has_each_in_its_turn(given: Any) -> None:
    count = len(given[1])
    said, _ = answers("inference", given, samples=2 * count)
    assert said[0].argmax(1).tolist() == [*range(count)] * 2
    assert said[1].argmax(1).tolist() == [*range(1, count), 0] * 2


def test_queries_of_many_images_share_them(given: Any) -> None:
    """Copies for each query would be most of the memory that a row tells."""
    count, size = len(given[1]), 4 * len(given[1])
    _, runner = answers("inference", given, samples=size)
    first, *others = runner.asked
    assert all(np.shares_memory(first, other) for other in others)
    assert all(each.flags.c_contiguous for each in runner.asked)
    assert first.base.nbytes == (count + size - 1) * given[1][0].nbytes


def test_decoding_ends_before_the_image_is_resized_and_preprocessing_begins_there(
    given: Any,
) -> None:
    description, tensors, files = given
    decoded, runner = answers("decode", given)
    with Image.open(io.BytesIO(files[0])) as image:
        assert decoded[0].size == image.size
    assert {each.mode for each in decoded} == {"L" if description.preprocess.mode == "L" else "RGB"}
    ready, _ = answers("preprocess", given)
    for index, tensor in enumerate([*tensors, tensors[0]]):
        assert np.array_equal(ready[index], tensor)
        assert np.array_equal(description.preprocess(decoded[index]), tensor)
    assert runner.asked == []


def test_preprocessing_decodes_nothing_once_it_is_measured(
    given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    description, tensors, files = given
    ask = measure.query("preprocess", Runner(tensors), description, tensors, files)
    monkeypatch.setattr(measure, "decode", None)
    assert np.array_equal(ask(1), tensors[1])


def test_no_more_decoded_images_wait_than_there_is_room_for(
    given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    description, tensors, files = given
    monkeypatch.setattr(measure, "MOST_DECODED_BYTES", 1)
    ask = measure.query("preprocess", Runner(tensors), description, tensors, files)
    assert all(np.array_equal(ask(index), tensors[0]) for index in range(3))


def test_postprocessing_and_the_whole_way_end_with_a_label(given: Any) -> None:
    for phase in ("postprocess", "end_to_end"):
        said, runner = answers(phase, given)
        numbers = [*range(len(given[1])), 0]
        assert [label for label, _ in said] == [given[0].labels[number] for number in numbers]
        assert [float(shares.sum()) for _, shares in said] == pytest.approx([1.0] * len(said))
    assert len(runner.asked) == len(said)


def test_every_phase_is_a_query(given: Any) -> None:
    assert all(answers(phase, given)[0] for phase in PHASES)
