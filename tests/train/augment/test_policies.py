"""The two published policies: operations and magnitudes against torchvision's own classes."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms import InterpolationMode, v2

from edgecls.train.augment import Augmentation, augment, policies

# In the order of `policies.OPERATIONS`, which is torchvision's.
NAMES = list(v2.RandAugment._AUGMENTATION_SPACE)
PLACES = {name: index for index, name in enumerate(NAMES)}
UNSIGNED = {"Posterize", "Solarize"}
ORACLES = {"randaugment": v2.RandAugment, "trivialaugment": v2.TrivialAugmentWide}


def images(*shape: int) -> torch.Tensor:
    """uint8[N, C, H, W]: smooth, so that a bilinear sample is not all rounding."""
    generator = torch.Generator().manual_seed(4)
    coarse = torch.rand(*shape[:2], 4, 4, generator=generator)
    return (
        (torch.nn.functional.interpolate(coarse, shape[2:], mode="bicubic") * 255)
        .clamp(0, 255)
        .to(torch.uint8)
    )


def value_of(name: str, policy: str, magnitude: int) -> float:
    """The unsigned value at a magnitude of 0..30, from our table."""
    operation = policies.OPERATIONS[PLACES[name]]
    return (operation.rand if policy == "randaugment" else operation.trivial) * magnitude / 30


def in_their_units(name: str, value: float, image: torch.Tensor) -> float:
    """Our value as torchvision counts it: pixels, bits that stay, a threshold."""
    sides = {"TranslateX": image.shape[-1], "TranslateY": image.shape[-2]}
    if name in sides:
        return value * sides[name]
    return {"Posterize": 8 - round(value), "Solarize": 1 - value}.get(name, value)


def test_the_operations_are_torchvisions_fourteen():
    assert len(policies.OPERATIONS) == len(NAMES) == 14
    assert list(v2.TrivialAugmentWide._AUGMENTATION_SPACE) == NAMES
    drawn = {name for name, o in zip(NAMES, policies.OPERATIONS, strict=True) if not o.signed}
    assert drawn == UNSIGNED


@pytest.mark.parametrize("policy", ORACLES)
@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_torchvisions_at_224_pixels(name, policy):
    image = torch.empty(3, 224, 224)
    magnitudes, _ = ORACLES[policy]._AUGMENTATION_SPACE[name]
    values = magnitudes(policies.BINS, 224, 224)
    theirs = [0.0] * policies.BINS if values is None else values.tolist()
    ours = [in_their_units(name, value_of(name, policy, i), image) for i in range(policies.BINS)]
    assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("magnitude", [0, 1, 9, 17, 30])
@pytest.mark.parametrize("policy", ORACLES)
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_gives_torchvisions_pixels(name, policy, magnitude, sign):
    operation = policies.OPERATIONS[PLACES[name]]
    image = images(1, 3, 37, 52)[0]
    value = value_of(name, policy, magnitude) * (sign if operation.signed else 1)
    theirs = in_their_units(name, value, image)
    if name.startswith("Translate"):
        theirs = round(theirs)  # torchvision cuts the fraction off
    transform = ORACLES[policy](interpolation=InterpolationMode.BILINEAR)
    expected = transform._apply_image_or_video_transform(
        image, name, theirs, interpolation=InterpolationMode.BILINEAR, fill=transform._fill
    )
    assert torch.equal(operation.apply(image, value), expected)


@pytest.mark.parametrize("name", ["TranslateX", "TranslateY"])
def test_trivialaugment_shifts_by_a_share_of_the_side(name):
    """A small image keeps something to be seen: 32 pixels of 32 would leave nothing."""
    image = torch.full((1, 32, 64), 200, dtype=torch.uint8)
    operation = policies.OPERATIONS[PLACES[name]]
    left = operation.apply(image, operation.trivial)[0].float().mean() / 200
    assert 0.84 < left < 0.88


@pytest.mark.parametrize("policy", ORACLES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (3, 3), (8, 8), (40, 12)])
@pytest.mark.parametrize("name", NAMES)
def test_every_operation_takes_any_image(name, policy, channels, size):
    operation = policies.OPERATIONS[PLACES[name]]
    image = images(1, channels, *size)[0]
    kept = image.clone()
    for magnitude in (0, 15, 30):
        for sign in (1, -1) if operation.signed else (1,):
            found = operation.apply(image, sign * value_of(name, policy, magnitude))
            assert (found.shape, found.dtype) == (image.shape, torch.uint8)
    assert torch.equal(image, kept)


def recorded(monkeypatch, policy: str, count: int = 3000) -> list[list[tuple[int, float]]]:
    """Per image, which operations were applied with which values."""
    calls: dict[int, list[tuple[int, float]]] = {}

    def record(place):
        def apply(image, value):
            calls.setdefault(int(image[0, 0, 0]) * 256 + int(image[0, 0, 1]), []).append(
                (place, value)
            )
            return image

        return apply

    ours = [
        policies.Operation(record(place), o.rand, o.trivial, o.signed)
        for place, o in enumerate(policies.OPERATIONS)
    ]
    monkeypatch.setattr(policies, "OPERATIONS", ours)
    batch = torch.zeros(count, 1, 1, 2, dtype=torch.uint8)
    batch[:, 0, 0, 0], batch[:, 0, 0, 1] = torch.arange(count) // 256, torch.arange(count) % 256
    policies.apply(policy, batch, torch.Generator().manual_seed(0))
    return [calls[i] for i in range(count)]


def test_randaugment_draws_two_operations_at_one_magnitude(monkeypatch):
    drawn = recorded(monkeypatch, "randaugment")
    assert {len(calls) for calls in drawn} == {2}
    for place, value in (call for calls in drawn for call in calls):
        assert abs(value) == pytest.approx(policies.OPERATIONS[place].rand * 9 / 30)
    same = sum(one[0] == other[0] for one, other in drawn) / len(drawn)
    assert 0.05 < same < 0.1  # one in fourteen: drawn with replacement


def test_trivialaugment_draws_one_operation_at_any_magnitude(monkeypatch):
    drawn = recorded(monkeypatch, "trivialaugment")
    assert {len(calls) for calls in drawn} == {1}
    turns = [calls[0][1] for calls in drawn if calls[0][0] == PLACES["Rotate"]]
    assert {round(abs(turn) / 4.5, 6) for turn in turns} == set(range(31))


@pytest.mark.parametrize("policy", ORACLES)
def test_operations_and_signs_are_drawn_alike(policy, monkeypatch):
    drawn = [call for calls in recorded(monkeypatch, policy) for call in calls]
    for place, name in enumerate(NAMES):
        values = [value for kind, value in drawn if kind == place]
        assert 0.7 < len(values) / len(drawn) * 14 < 1.3
        negative = sum(value < 0 for value in values) / len(values)
        if name in UNSIGNED:
            assert negative == 0
        elif policies.OPERATIONS[place].rand:
            assert 0.38 < negative < 0.6


@pytest.mark.parametrize("policy", ORACLES)
def test_the_batch_of_a_policy_is_its_images_one_by_one(policy, noise, seeded):
    """On bytes, before anything else is done to them."""
    source = noise(30, 9, 14, 3)
    found = augment(source, Augmentation(policy=policy), seeded(3))
    assert torch.equal(found, found.round())
    untouched = (found == source.permute(0, 3, 1, 2)).flatten(1).all(1)
    assert 0 < untouched.sum() < 15
