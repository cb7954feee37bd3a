"""Batches: who is in which, that a key alone decides them, and that the thread never hangs."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from edgecls.train import batches
from edgecls.train.augment import Augmentation
from edgecls.train.batches import Loader, even, seeded

COUNTS = [2, 3, 15, 16, 17, 23, 24, 25, 31, 40, 71, 72, 101, 1000]


def numbered(count: int) -> np.ndarray:
    """Images that say their number: uint8[N, 1, 2, 1]."""
    return np.stack([np.arange(count) // 256, np.arange(count) % 256], 1).astype(np.uint8)[
        :, None, :, None
    ]


def loader(count: int = 40, batch_size: int = 8, how: Augmentation | None = None, **rest) -> Loader:
    images = rest.pop("images", numbered(count))
    classes = rest.pop("classes", np.arange(len(images)) % 5)
    return Loader(images, classes, batch_size, how or Augmentation(), rest.pop("seed", 0), **rest)


def numbers(batch: batches.Batch) -> list[int]:
    """Which images are in a batch that was not augmented."""
    pair = batch.images[:, 0, 0].long()
    return (pair[:, 0] * 256 + pair[:, 1]).tolist()


@pytest.mark.parametrize(
    ("count", "size", "ranks"),
    [
        (count, size, ranks)
        for ranks in (1, 2)
        for size in (2, 8, 16, 64)
        for count in COUNTS
        if size % (2 * ranks) == 0 and count >= 2 * ranks  # what `fit` lets through
    ],
)
def test_batches_are_even_and_each_image_is_in_one(count, size, ranks):
    whole = [[] for _ in range(-(-count // size) + 1)]
    lengths = set()
    for rank in range(ranks):
        one = loader(count, size, rank=rank, ranks=ranks)
        made = [numbers(batch) for batch in one.epoch(1)]
        assert len(made) == len(one)
        assert all(len(batch) % 2 == 0 and batch for batch in made)
        lengths.add(tuple(map(len, made)))
        for index, batch in enumerate(made):
            whole[index] += batch
    assert len(lengths) == 1  # every process has as many of every batch
    seen = [number for batch in whole for number in batch]
    assert len(seen) == len(set(seen)) == count // (2 * ranks) * 2 * ranks
    if count >= size:
        assert all(size / 2 <= len(batch) < 1.5 * size + 1 for batch in whole if batch)


def test_the_processes_share_the_very_batches_of_one():
    alone = [sorted(numbers(batch)) for batch in loader(48, 8).epoch(3)]
    first, second = (
        [numbers(batch) for batch in loader(48, 8, rank=rank, ranks=2).epoch(3)] for rank in (0, 1)
    )
    assert [sorted(a + b) for a, b in zip(first, second, strict=True)] == alone


def test_classes_belong_to_their_images():
    for batch in loader(300, 16, classes=np.arange(300) % 7).epoch(1):
        assert batch.classes.tolist() == [number % 7 for number in numbers(batch)]
        assert batch.classes.dtype == torch.int64


def test_a_batch_larger_than_the_data_is_all_of_it():
    one = loader(7, 4096)
    (batch,) = one.epoch(1)
    assert len(one) == 1 and len(set(numbers(batch))) == 6


def test_every_epoch_and_seed_has_another_order():
    def order(epoch: int, seed: int = 0) -> list[int]:
        return [n for batch in loader(seed=seed, batch_size=2).epoch(epoch) for n in numbers(batch)]

    assert order(1) == order(1)
    assert len({tuple(order(1)), tuple(order(2)), tuple(order(1, seed=1))}) == 3


BUSY = Augmentation(
    flip="random", crop=0.2, rotation=20, noise=0.1, erasing=0.5, policy="randaugment"
)


def pictures(count: int = 24) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 12, 10, 3), np.uint8)


def test_a_batch_is_the_same_whatever_the_threads_do(monkeypatch):
    """Slow workers, slow callers, and draws from torch's own generator in between."""
    one = loader(images=pictures(), how=BUSY, batch_size=4)
    undisturbed = list(one.epoch(2))
    make = Loader._make

    def slow(self, epoch, index, chosen):
        time.sleep(0.01 * (index % 2))
        torch.rand(3)
        return make(self, epoch, index, chosen)

    monkeypatch.setattr(Loader, "_make", slow)
    for index, batch in enumerate(one.epoch(2)):
        torch.rand(index)
        time.sleep(0.01 * (index % 3 == 0))
        assert torch.equal(batch.images, undisturbed[index].images)
        assert torch.equal(
            torch.rand(5, generator=batch.generator),
            torch.rand(5, generator=undisturbed[index].generator),
        )


def test_batches_made_ahead_and_in_between_are_the_same():
    made = [loader(how=BUSY, ahead=ahead).epoch(3) for ahead in (True, False)]
    pairs = zip(*made, strict=True)
    for one, other in pairs:
        assert torch.equal(one.images, other.images) and torch.equal(one.classes, other.classes)
        assert torch.equal(one.generator.get_state(), other.generator.get_state())


def test_torchs_own_generator_is_left_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    for _ in loader(images=pictures(), how=BUSY, batch_size=4).epoch(1):
        assert torch.equal(torch.get_rng_state(), state)


def test_the_threads_of_the_caller_stay_as_they_are():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for _ in loader(images=pictures(), how=BUSY, batch_size=4).epoch(1):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_one_image_is_augmented_otherwise_in_every_batch_epoch_and_process():
    same = np.repeat(pictures(1), 8, axis=0)

    def made(epoch: int, **rest) -> list[bytes]:
        how = Augmentation(noise=0.5)
        batches = loader(images=same, how=how, batch_size=4, **rest).epoch(epoch)
        return [image.numpy().tobytes() for batch in batches for image in batch.images]

    shared = [made(1, rank=rank, ranks=2) for rank in (0, 1)]
    seen = [*made(1), *made(2), *made(1, seed=1), *shared[1]]
    assert len(seen) == len(set(seen)) == 28
    assert len(set(shared[0]) & set(shared[1])) == 0


def test_no_two_keys_give_the_same_draws():
    """Also those that numpy pads to one: the first batch must not repeat the draws of the order."""
    keys = [(5,), (5, 0), (5, 1), (5, 1, 0), (5, 1, 0, 0), (5, 1, 0, 1), (1, 5), (0,), (0, 0)]
    assert len({seeded(*key).initial_seed() for key in keys}) == len(keys)
    assert seeded(5, 1).initial_seed() == seeded(5, 1).initial_seed()


def test_flip_alternates_every_image_in_exactly_every_other_epoch():
    """Of two columns, a mirrored image has the other first."""
    images = np.zeros((400, 1, 2, 2), np.uint8)
    images[:, 0, :, 0] = [10, 200]  # which side is which
    images[:, 0, :, 1] = np.arange(400)[:, None] % 256  # and who it is
    one = Loader(
        images, np.arange(400), 40, Augmentation(flip="alternating"), seed=0
    )  # the class is the number

    def mirrored(epoch: int, **rest) -> dict[int, bool]:
        return {
            int(number): bool(image[0, 0, 0] == 200)
            for batch in one.epoch(epoch)
            for number, image in zip(batch.classes, batch.images, strict=True)
        }

    epochs = [mirrored(epoch) for epoch in (1, 2, 3, 4)]
    assert len(epochs[0]) == 400
    assert epochs[0] == epochs[2] and epochs[1] == epochs[3]
    assert all(epochs[0][number] != epochs[1][number] for number in range(400))
    assert 0.42 < sum(epochs[0].values()) / 400 < 0.58


def test_alternating_flip_is_drawn_for_every_seed():
    one, other = (loader(400, seed=seed)._mirrored(1) for seed in (0, 1))
    assert not torch.equal(one, other)


def test_balanced_sampling_draws_classes_alike():
    classes = np.array([0] * 900 + [1] * 90 + [2] * 10)
    one = loader(1000, 50, classes=classes, balanced=True)
    drawn = torch.cat([batch.classes for epoch in (1, 2) for batch in one.epoch(epoch)])
    share = torch.bincount(drawn) / len(drawn)
    assert torch.allclose(share, torch.tensor(1 / 3), atol=0.05)
    assert len(drawn) == 2000


def test_balanced_sampling_takes_numbers_of_classes_that_have_no_image():
    one = loader(20, 4, classes=np.array([0, 3] * 10), balanced=True)
    assert {int(c) for batch in one.epoch(1) for c in batch.classes} == {0, 3}


def test_balanced_batches_are_shared_without_overlap_in_their_places():
    alone = [sorted(numbers(batch)) for batch in loader(48, 8, balanced=True).epoch(1)]
    first, second = (
        [numbers(b) for b in loader(48, 8, balanced=True, rank=rank, ranks=2).epoch(1)]
        for rank in (0, 1)
    )
    assert [sorted(a + b) for a, b in zip(first, second, strict=True)] == alone


def test_mapped_images_are_read_and_never_written(tmp_path):
    np.save(tmp_path / "images.npy", pictures())
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    found = list(loader(images=images, how=BUSY, batch_size=4).epoch(1))
    expected = list(loader(images=pictures(), how=BUSY, batch_size=4).epoch(1))
    assert all(torch.equal(a.images, b.images) for a, b in zip(found, expected, strict=True))
    plain = list(loader(images=images, batch_size=4).epoch(1))
    for batch in plain:
        batch.images.zero_()
    assert np.array_equal(np.load(tmp_path / "images.npy"), pictures())


class Broken:
    """Images that cannot be read from the third batch on."""

    def __init__(self) -> None:
        self.images, self.reads = pictures(), 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key):
        self.reads += 1
        if self.reads > 2:
            raise OSError("the disk is gone")
        return self.images[key]


def test_an_error_in_the_thread_reaches_the_caller():
    made, before = [], workers()
    with pytest.raises(OSError, match="the disk is gone"):
        for batch in loader(images=Broken(), batch_size=4).epoch(1):
            made.append(batch)
    assert len(made) == 2
    assert workers() <= before


def workers() -> set[threading.Thread]:
    """Those of other tests' libraries may be among them."""
    return {t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")}


def test_an_epoch_that_is_abandoned_leaves_no_thread():
    before = workers()
    iterator = loader(images=pictures(), batch_size=4).epoch(1)
    next(iterator)
    assert workers() - before
    iterator.close()
    assert workers() <= before


def test_only_a_few_batches_are_made_ahead(monkeypatch):
    made = []
    make = Loader._make

    def count(self, epoch, index, chosen):
        made.append(index)
        return make(self, epoch, index, chosen)

    monkeypatch.setattr(Loader, "_make", count)
    iterator = loader(100, 4).epoch(1)
    next(iterator)
    time.sleep(0.2)
    assert made == list(range(1 + batches.AHEAD))
    iterator.close()


@pytest.mark.parametrize(
    ("count", "divisor", "expected"), [(7, 2, 6), (8, 2, 8), (1, 2, 2), (9, 4, 8), (3, 4, 4)]
)
def test_even_leaves_out_what_is_left_over(count, divisor, expected):
    assert even(count, divisor) == expected
