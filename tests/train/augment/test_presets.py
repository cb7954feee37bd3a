"""Presets: what they hold, and that an option of one's own wins."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from edgecls.train.augment import Augmentation, resolve
from edgecls.train.augment.presets import PRESETS
from edgecls.train.options import AugmentOptions, Preset


def test_every_preset_that_can_be_asked_for_exists():
    assert set(PRESETS) == set(get_args(Preset))
    for name, preset in PRESETS.items():
        assert resolve(AugmentOptions(augment=name)) == preset


def test_an_option_replaces_its_value_in_the_preset_and_no_other():
    found = resolve(AugmentOptions(augment="standard", brightness=0.5, noise=0.1))
    assert found == replace(PRESETS["standard"], brightness=0.5, noise=0.1)


def test_a_value_of_zero_is_an_answer_and_not_left_open():
    assert resolve(AugmentOptions(augment="standard", crop=0, flip="none")) == Augmentation(
        brightness=0.2, contrast=0.2
    )


def test_only_light_is_free_of_mirrors():
    assert {name: p.flip for name, p in PRESETS.items()} == {
        "none": "none",
        "light": "none",
        "standard": "random",
        "strong": "random",
    }


@pytest.mark.parametrize("name", ["translation", "rotation", "scale", "shear"])
def test_what_samples_between_pixels_is_affine(name):
    assert Augmentation(**{name: 0.1}).is_affine


def test_what_keeps_pixels_whole_is_not_affine():
    assert not Augmentation(flip="random", crop=0.5, noise=1, erasing=1, mixup=1).is_affine
