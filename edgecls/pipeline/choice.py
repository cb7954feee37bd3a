"""What to do with these images where the recipe leaves it open: input, nets and epochs, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecls.data.sniff import Traits
from edgecls.device.preprocess import Preprocess
from edgecls.errors import UsageError
from edgecls.recipe import DataSection

if TYPE_CHECKING:
    from edgecls.models.weights import Published

# ImageNet's channel statistics: what pretrained weights expect, and good for any photograph.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = (32, 64, 128, 224)
# Up to this side, nets made for photographs are too coarse.
SMALL = 64


@dataclass(frozen=True)
class Choice:
    """The input, the models' tables, and a sentence for each decision."""

    preprocess: Preprocess
    models: dict[str, dict[str, Any]]
    reasons: tuple[str, ...]


def choose(traits: Traits, section: DataSection, models: Mapping[str, Mapping[str, Any]]) -> Choice:
    """Fill in what the recipe leaves open.

    models: the recipe's tables. Those without a ``method`` change the chosen net of that name.
    """
    preprocess, reasons = choose_input(traits, section)
    if models and all("method" in table for table in models.values()):
        return Choice(preprocess, {k: dict(v) for k, v in models.items()}, tuple(reasons))
    count = max(1, round(traits.num_images * (1 - section.validation - section.test)))
    teacher = models.get("teacher", {})
    wanted = teacher.get("arch") if "method" not in teacher else None
    chosen = _nets(count, preprocess, wanted)
    for name, table in models.items():
        if "method" not in table and name not in chosen:
            raise UsageError(
                f"models.{name} has no method",
                f"add one, or change one of the chosen models: {', '.join(chosen)}",
            )
        chosen[name] = dict(table) if "method" in table else {**chosen[name], **table}
    return Choice(preprocess, chosen, (*reasons, *_why(chosen, count, preprocess)))


def choose_input(traits: Traits, section: DataSection) -> tuple[Preprocess, list[str]]:
    """What a net is shown of these images, and why."""
    side = max(traits.median_height, traits.median_width)
    size = section.size or next((s for s in SIZES if side <= 1.25 * s), SIZES[-1])
    grayscale = section.mode == "L" or (section.mode == "auto" and traits.grayscale)
    ratio = traits.median_width / traits.median_height
    resize = section.resize
    if resize == "auto":
        resize = "stretch" if 0.8 <= ratio <= 1.25 and size <= 64 else "shortest"
    preprocess = Preprocess(
        size=(size, size),
        resize=resize,
        crop_ratio=0.875 if resize == "shortest" and size >= 128 else 1.0,
        mode="L" if grayscale else "RGB",
        mean=(0.5,) if grayscale else MEAN,
        std=(0.25,) if grayscale else STD,
    )
    where = "as the recipe says" if section.size else f"the images are about {side:.0f} pixels wide"
    colour = "grayscale" if grayscale else "colour"
    return preprocess, [f"input {size}×{size}, {colour}, {resize}: {where}"]


def _nets(count: int, preprocess: Preprocess, wanted: str | None) -> dict[str, dict[str, Any]]:
    """The chosen models for `count` training images. wanted: the recipe's net for the teacher."""
    teacher, student = ("resnet18", "mobilenet_v3_small")
    if preprocess.size[0] <= SMALL:
        teacher, student = ("resnet20", "resnet8")
    pretrained = _published(wanted or teacher) if preprocess.size[0] > SMALL else None
    visits = 14_000 if preprocess.mode == "L" else 40_000
    epochs = min(60, max(12, math.ceil(visits / count)))
    # A mirrored digit or letter is another one; grayscale sets are mostly scans.
    augment = "light" if preprocess.mode == "L" else "standard"
    # Grayscale scans are easier than photographs, and bear a deeper cut.
    macs_ratio = 3.0 if preprocess.mode == "L" else 2.0
    # Smoothed labels make a teacher that tells a student less (Müller et al. 2019).
    begin: dict[str, Any] = {
        "method": "train",
        "arch": teacher,
        "epochs": epochs,
        "label_smoothing": 0.0,
    }
    if pretrained is not None and pretrained.is_here:
        # What is known already need not be learned again.
        begin |= {"method": "finetune", "weights": "DEFAULT", "epochs": math.ceil(epochs / 2)}
    return {
        "teacher": {**begin, "augment": augment},
        "distilled": {
            "method": "distill",
            "teacher": "teacher",
            "arch": student,
            "epochs": round(1.6 * epochs),  # a small net learns slower, and is quicker to train
            "augment": augment,
        },
        "student": {
            "method": "prune",
            "model": "distilled",
            "teacher": "teacher",
            "macs_ratio": macs_ratio,
            "epochs": round(1.2 * epochs),
            "augment": augment,
        },
    }


def _published(arch: str) -> Published | None:
    """torchvision's weights of a net, which may or may not be on this machine."""
    from edgecls.models import weights

    try:
        return weights.published_for(arch)
    except UsageError:
        return None


def _beginning(teacher: Mapping[str, Any]) -> str | None:
    """Why the teacher begins as it does, and what would be better."""
    found = _published(str(teacher.get("arch")))
    if teacher.get("method") == "finetune":
        return f"the teacher begins with pretrained weights: {teacher.get('weights')}"
    if found is None or found.is_here or teacher.get("method") != "train":
        return None
    return (
        "the teacher learns from fresh weights; pretrained ones would be better: put "
        f"{found.file.name} from {found.url} into {found.file.parent}, or set "
        "models.teacher.method to finetune, which downloads it"
    )


def _why(models: Mapping[str, Mapping[str, Any]], count: int, preprocess: Preprocess) -> list[str]:
    """The reasons, of the models as they are after the recipe's own changes."""
    small = preprocess.size[0] <= SMALL
    kind = "small images suit CIFAR ResNets" if small else "large images suit ImageNet's nets"
    teacher, student = models["teacher"], models["student"]
    reasons = [f"teacher {teacher.get('arch')}, student {models['distilled'].get('arch')}: {kind}"]
    if not small and (beginning := _beginning(teacher)):
        reasons.append(beginning)
    if student.get("method") == "prune" and "macs_ratio" in student:
        ratio = student["macs_ratio"]
        reasons.append(f"the student is distilled, then pruned to {ratio:g} times fewer MACs")
    if isinstance(epochs := teacher.get("epochs"), int):
        views = epochs * count
        reasons.append(f"{epochs} epochs for the teacher: {views:,} views of {count:,} images")
    if teacher.get("augment") == "light":
        reasons.append("augmentation 'light': grayscale may be writing, which has no mirror")
    return reasons
