"""A teacher's answers: kept by epoch, used again, and never those to other images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from edgecls.core import Context
from edgecls.train import teachers
from edgecls.train.losses import Piece
from edgecls.train.options import FitOptions


class Counting:
    """A teacher that counts the images it has answered."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, piece: Piece) -> torch.Tensor:
        self.asked += len(piece.images)
        return piece.images.flatten(1)[:, :3] * 2


def epoch_of(kept, epoch: int, images: torch.Tensor, step: int = 2) -> torch.Tensor:
    return torch.cat(
        [kept(Piece(images[i : i + step], epoch, i)) for i in range(0, len(images), step)]
    )


IMAGES = torch.arange(48, dtype=torch.float32).reshape(6, 1, 2, 4)


def test_an_epoch_is_answered_once(tmp_path):
    teacher = Counting()
    first = epoch_of(teachers.Kept(teacher, tmp_path, 6), 1, IMAGES)
    again = epoch_of(teachers.Kept(teacher, tmp_path, 6), 1, IMAGES)
    assert teacher.asked == 6
    assert torch.equal(first, again) and torch.equal(first, IMAGES.flatten(1)[:, :3] * 2)


def test_another_epoch_is_answered_anew(tmp_path):
    teacher = Counting()
    kept = teachers.Kept(teacher, tmp_path, 6)
    epoch_of(kept, 1, IMAGES)
    assert torch.equal(epoch_of(kept, 2, IMAGES + 1), (IMAGES + 1).flatten(1)[:, :3] * 2)
    assert teacher.asked == 12
    epoch_of(kept, 1, IMAGES)
    assert teacher.asked == 12


def test_half_an_epoch_is_not_kept(tmp_path):
    teacher = Counting()
    epoch_of(teachers.Kept(teacher, tmp_path, 6), 1, IMAGES[:4])
    assert not list(tmp_path.iterdir())
    epoch_of(teachers.Kept(teacher, tmp_path, 6), 1, IMAGES)
    assert teacher.asked == 10 and len(list(tmp_path.iterdir())) == 1


def test_parts_of_a_batch_may_be_of_another_size_when_they_are_used_again(tmp_path):
    teacher = Counting()
    first = epoch_of(teachers.Kept(teacher, tmp_path, 6), 1, IMAGES, 3)
    assert torch.equal(first, epoch_of(teachers.Kept(teacher, tmp_path, 6), 1, IMAGES, 1))


@pytest.mark.parametrize("spoiled", [b"", b"\x93NUMPY no more", None])
def test_a_damaged_file_is_answered_anew(tmp_path, spoiled):
    teacher = Counting()
    epoch_of(teachers.Kept(teacher, tmp_path, 6), 1, IMAGES)
    (file,) = tmp_path.iterdir()
    if spoiled is None:
        np.save(file, np.zeros((2, 3), np.float32))
    else:
        file.write_bytes(spoiled)
    found = epoch_of(teachers.Kept(teacher, tmp_path, 6), 1, IMAGES)
    assert teacher.asked == 12 and torch.equal(found, IMAGES.flatten(1)[:, :3] * 2)


def test_processes_keep_files_of_their_own(tmp_path):
    for rank in (0, 1):
        epoch_of(teachers.Kept(Counting(), tmp_path, 6, rank), 1, IMAGES + rank)
    found = epoch_of(teachers.Kept(Counting(), tmp_path, 6, 1), 1, IMAGES)
    assert torch.equal(found, (IMAGES + 1).flatten(1)[:, :3] * 2)


def test_the_folder_follows_from_all_that_the_images_follow_from(tiny_data, tmp_path):
    asked = []

    def shared(inputs):
        asked.append(repr(sorted(inputs.items(), key=str)))
        return tmp_path

    class Checkpoint:
        arch, edits, weights_sha256 = "lenet5", (), "a"

    class Teacher:
        checkpoint, half = Checkpoint(), None

    context = Context(tiny_data, 0, tmp_path, shared=shared)
    options = FitOptions()
    images, classes = tiny_data["train"]
    other = replace(tiny_data, splits={**tiny_data.splits, "train": (images, classes[::-1])})
    for changed in (
        (options, context),
        (FitOptions(rotation=5), context),
        (FitOptions(mixup=0.2), context),
        (FitOptions(batch_size=32), context),
        (FitOptions(sampling="balanced"), context),
        (options, replace(context, seed=1)),
        (options, replace(context, data=other)),
    ):
        teachers.answers([Teacher()], *changed)
    assert len(set(asked)) == len(asked) == 7
    # What changes nothing about the images shares the answers.
    teachers.answers([Teacher()], FitOptions(lr=0.1, epochs=3), context)
    assert asked[-1] == asked[0]


def test_more_answers_than_the_disk_should_hold_are_not_kept(tiny_data, tmp_path, monkeypatch):
    monkeypatch.setattr(teachers, "MOST_BYTES", 100)
    teacher = Counting()
    context = Context(tiny_data, 0, tmp_path, shared=lambda inputs: pytest.fail("not kept"))
    answered = teachers.answers([teacher], FitOptions(), context)(Piece(IMAGES))
    assert len(answered) == 1 and teacher.asked == 6
