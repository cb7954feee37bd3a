"""How models answer changed images: each model's answers are a stage of the store.

A checkpoint is answered by PyTorch and attacked with its own gradient (white box). A bundle is
answered by its own runner; it has no gradient, so it gets the attacked images of the checkpoint
that it was converted from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls import hardware
from edgecls.bench import accuracy
from edgecls.compared import Attacked, Hardness
from edgecls.core import Classes, Images, Progress
from edgecls.device.meta import bundle_sha256
from edgecls.errors import EdgeclsError
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import marks
from edgecls.pipeline.workshop import Workshop, inputs_of
from edgecls.recipe import RobustnessSection
from edgecls.robustness.attacks import Attack, attacked
from edgecls.robustness.comparison import Right, accuracies
from edgecls.robustness.severities import constants_for
from edgecls.robustness.variants import Variants
from edgecls.rundir import write_text
from edgecls.store import Entry

ABOUT, ANSWERS = "attacks.json", "answers.npz"
_BLOCK = 64
Answers = Mapping[str, NDArray[np.int32]]


@dataclass(frozen=True)
class Changed:
    """Some images and what is done to them. rows: where they stand in the split they are of.

    The first `num_attacked` of them are attacked. key: of all that the pictures depend on.
    """

    rows: NDArray[np.int64]
    images: NDArray[np.uint8]
    classes: NDArray[np.int64]
    variants: Variants
    attacks: tuple[Attack, ...]
    num_attacked: int
    seed: int
    key: str

    @property
    def constants(self) -> str:
        """Whose strengths of corruption."""
        return constants_for(*self.images.shape[1:3]).name


def draw(
    section: RobustnessSection, images: Images, classes: Classes, mode: str, seed: int
) -> Changed:
    """Some of a split's images, at most as many as the recipe asks for. mode: of their pixels."""
    order = np.random.default_rng(seed).permutation(len(images))[: section.images]
    chosen = np.stack([np.asarray(images[row]) for row in order.tolist()])
    truth = np.asarray(classes)[order].astype(np.int64)
    attacks = [
        Attack(name, eps, section.steps if name == "pgd" else 1)
        for eps in sorted(set(section.eps))
        for name in section.attacks
    ]
    severities = sorted(set(section.severities))
    variants = Variants(chosen, section.corruptions, severities, seed, mode)
    content = hashlib.sha256(marks(chosen).tobytes() + truth.tobytes())
    content.update(json.dumps([list(variants), [asdict(a) for a in attacks]]).encode())
    content.update(json.dumps([section.attacked, seed, mode, list(chosen.shape)]).encode())
    return Changed(
        rows=order,
        images=chosen,
        classes=truth,
        variants=variants,
        attacks=tuple(attacks),
        num_attacked=min(section.attacked, len(order)),
        seed=seed,
        key=content.hexdigest(),
    )


@dataclass(frozen=True)
class Answered:
    """A finished stage. attacked: label -> its images; where these could not be made, `reason`.

    crafted_on: the checkpoint whose gradient made them, empty where it is the model itself.
    """

    answers: Answers
    attacked: Mapping[str, NDArray[np.uint8]]
    reason: str = ""
    crafted_on: str = ""


def of_checkpoint(workshop: Workshop, name: str, model: Path, changed: Changed) -> Answered:
    """A checkpoint's answers, and the images that were made against it."""
    checkpoint = checkpoints.load(model)
    inputs = inputs_of(
        "robustness",
        packages=("torch", "torchvision", "numpy", "pillow"),
        model=checkpoint.weights_sha256,
        edits=json.loads(json.dumps(checkpoint.edits)),
        arch=checkpoint.arch,
        preprocess=checkpoint.preprocess.to_json(),
        changed=changed.key,
    )

    def build(out: Path, work: Path, progress: Progress) -> None:
        answer, net = _net(checkpoint, workshop.recipe.threads)
        found = _answers(answer, changed.variants, progress)
        made, reason = _attacked(net, changed)
        found |= {label: answer(images) for label, images in made.items()}
        for label, images in made.items():
            np.save(out / f"{label}.npy", images, allow_pickle=False)
        np.savez_compressed(out / ANSWERS, allow_pickle=False, **found)
        write_text(out / ABOUT, json.dumps({"labels": list(made), "reason": reason}))

    entry = workshop.make(f"{name}: robustness", inputs, build)
    about = json.loads((entry.out / ABOUT).read_text(encoding="utf-8"))
    images = {
        label: np.load(entry.out / f"{label}.npy", allow_pickle=False) for label in about["labels"]
    }
    return Answered(_load(entry), images, about["reason"])


def of_bundle(
    workshop: Workshop,
    label: str,
    bundle: Path,
    crafted_on: str,
    source: Answered,
    changed: Changed,
    trust_code: bool = False,
) -> Answered:
    """A bundle's answers by its own runner. source: the answers of the checkpoint behind it.

    Raises RunnerError where the runner ends, and TrustError before anything of a strange one runs.
    """
    made = {
        name: hashlib.sha256(images.tobytes()).hexdigest()
        for name, images in source.attacked.items()
    }
    inputs = inputs_of(
        "robustness",
        packages=("numpy", "pillow"),
        bundle=bundle_sha256(str(bundle)),
        changed=changed.key,
        attacked=made,
        hardware=asdict(hardware.here()),
    )

    def build(out: Path, work: Path, progress: Progress) -> None:
        given = _Given(changed.variants, source.attacked, progress)
        logits = accuracy.logits_of(bundle, given, work, trust_code=trust_code)
        found = {name: _answer(each) for name, each in logits.items()}
        np.savez_compressed(out / ANSWERS, allow_pickle=False, **found)

    entry = workshop.make(f"{label}: robustness", inputs, build)
    return Answered(_load(entry), source.attacked, source.reason, crafted_on)


class _Given(Mapping[str, Images]):
    """Corrupted and attacked images, each made when it is its turn."""

    def __init__(
        self, variants: Variants, attacked: Mapping[str, NDArray[np.uint8]], progress: Progress
    ) -> None:
        self._variants, self._attacked, self._progress = variants, attacked, progress
        self._names = [*variants, *attacked]

    def __getitem__(self, label: str) -> Images:
        self._progress.step(self._names.index(label) + 1, len(self), label)
        return self._attacked[label] if label in self._attacked else self._variants[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def right(found: Answered, clean: NDArray[np.bool_], changed: Changed) -> Right:
    """On which changed images the answers are right. clean: on which unchanged ones they are."""
    rows = [found.answers[label] == changed.classes for label in changed.variants]
    return Right(clean, np.array(rows, np.bool_).reshape(len(rows), len(clean)))


def right_attacked(found: Answered, clean: NDArray[np.bool_], changed: Changed) -> Right:
    """The same of the attacked images."""
    count = changed.num_attacked
    rows = [found.answers[label] == changed.classes[:count] for label in found.attacked]
    return Right(clean[:count], np.array(rows, np.bool_).reshape(len(rows), count))


def hardness(found: Answered, clean: NDArray[np.bool_], changed: Changed) -> Hardness:
    """The figures of a model. clean: which of the unchanged images it gets right."""
    corrupted, attacked = right(found, clean, changed), right_attacked(found, clean, changed)
    by_label = {attack.label: attack for attack in changed.attacks}
    names = list(changed.variants.names.values())
    return Hardness(
        num_images=len(clean),
        clean=float(clean.mean()),
        severities=tuple(dict.fromkeys(severity for _, severity in names)),
        corrupted=accuracies(corrupted.changed, names),
        attacks=tuple(
            Attacked(
                label=label,
                eps=by_label[label].eps,
                steps=by_label[label].steps,
                num_images=changed.num_attacked,
                clean=float(attacked.clean.mean()),
                accuracy=float(row.mean()),
                crafted_on=found.crafted_on,
            )
            for label, row in zip(found.attacked, attacked.changed, strict=True)
        ),
    )


def _net(
    checkpoint: checkpoints.Checkpoint, threads: int
) -> tuple[Callable[[Any], NDArray[np.int32]], Any]:
    """(uint8 images -> answers, the net with its normalisation inside). threads: 0 is all cores."""
    import torch

    from edgecls.models.normalise import Deployable

    if threads:
        torch.set_num_threads(threads)
    net = Deployable(checkpoints.module(checkpoint), checkpoint.preprocess)
    # A third faster on CPUs than the default layout.
    net.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def answer(images: NDArray[np.uint8]) -> NDArray[np.int32]:
        with torch.inference_mode():
            parts = [
                net(torch.from_numpy(images[i : i + _BLOCK])).float().numpy()
                for i in range(0, len(images), _BLOCK)
            ]
        return _answer(np.concatenate(parts))

    return answer, net


def _answers(
    answer: Callable[[Any], NDArray[np.int32]], variants: Variants, progress: Progress
) -> dict[str, NDArray[np.int32]]:
    found = {}
    for number, (label, images) in enumerate(variants.items(), 1):
        progress.step(number, len(variants), label)
        found[label] = answer(images)
    return found


def _attacked(net: Any, changed: Changed) -> tuple[dict[str, NDArray[np.uint8]], str]:
    """Each attack's images, and why there are none where there are none."""
    count = changed.num_attacked
    try:
        return {
            attack.label: attacked(
                net, changed.images[:count], changed.classes[:count], attack, changed.seed
            )
            for attack in changed.attacks
        }, ""
    except EdgeclsError as error:
        return {}, error.cause


def _answer(logits: NDArray[Any]) -> NDArray[np.int32]:
    """The class of each; -1, which is never right, where a logit is not a number."""
    said = np.where(np.isfinite(logits).all(axis=1), logits.argmax(axis=1), -1)
    return said.astype(np.int32)


def _load(entry: Entry) -> Answers:
    with np.load(entry.out / ANSWERS, allow_pickle=False) as data:
        return dict(data)
