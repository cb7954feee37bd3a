"""The presets, and an augmentation with every value settled."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from edgecls.train.options import AugmentOptions, Flip, Policy


@dataclass(frozen=True)
class Augmentation:
    """What is done to a batch; for units and meanings see `AugmentOptions`."""

    flip: Flip = "none"
    crop: float = 0.0
    translation: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    erasing: float = 0.0
    policy: Policy = "none"
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def is_affine(self) -> bool:
        """Whether images are sampled between pixels."""
        return any((self.translation, self.rotation, self.scale, self.shear))


# Light never mirrors: a mirrored digit or letter is another one.
PRESETS = {
    "none": Augmentation(),
    "light": Augmentation(crop=0.1, rotation=8.0, scale=0.08),
    "standard": Augmentation(flip="random", crop=0.125, brightness=0.2, contrast=0.2),
    "strong": Augmentation(
        flip="random", crop=0.125, scale=0.15, policy="trivialaugment", erasing=0.25
    ),
}


def resolve(options: AugmentOptions) -> Augmentation:
    """The preset with the options' own values."""
    own = {f.name: getattr(options, f.name) for f in fields(Augmentation)}
    return replace(PRESETS[options.augment], **{k: v for k, v in own.items() if v is not None})
