"""What a bundle answers on its host before it is measured there: its own proof, and images.

A host that decodes images gets the files, so that its own decoding is part of the answer; another
one gets the tensors that this machine made of them.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecls.bench.images import Image
from edgecls.bench.protocol import Samples
from edgecls.core import Measurement
from edgecls.device import stats
from edgecls.errors import EdgeclsError, RunnerError
from edgecls.remote.host import Host
from edgecls.runner import Runner

# So many at once: an answer of the device is then a matter of seconds.
CHUNK = 50


@dataclass(frozen=True)
class Proof:
    """predicted: the label of each image in order, empty where it could not be read.

    fell_out: why it cannot be measured; its ``error`` is empty where it can.
    """

    images: Sequence[Image] = ()
    predicted: tuple[str, ...] = ()
    max_rel_logit_diff: float | None = None
    fell_out: Samples = field(default_factory=Samples)

    def on(self, row: Measurement) -> Measurement:
        """`row` with the accuracy on these images, with its interval."""
        row = row.with_(max_rel_logit_diff=self.max_rel_logit_diff)
        pairs = zip(self.images, self.predicted, strict=True)
        hits = [label == image.label for image, label in pairs if label]
        if not hits:
            return row
        low, high = stats.wilson(sum(hits), len(hits))
        return row.with_(
            top1=sum(hits) / len(hits), top1_low=low, top1_high=high, num_images=len(hits)
        )


def prove(
    bundle: Path,
    host: Host,
    images: Sequence[Image] = (),
    threads: int = 0,
    trust_code: bool = False,
) -> Proof:
    """Verify a bundle on its host, and ask it about images. What fails is told in the proof."""
    try:
        with Runner(bundle, threads, trust_code, host) as runner:
            verified = runner.ask({"do": "verify"})
            if not verified["ok"]:
                raise _unproven(runner, verified)
            predicted = _files(runner, images) if host.decodes else _tensors(runner, images)
    except (EdgeclsError, OSError, subprocess.SubprocessError) as error:
        fell_out = Samples()
        fell_out.fail(error)
        return Proof(fell_out=fell_out)
    except KeyError as error:
        fell_out = Samples()
        fell_out.fail(RunnerError(f"{bundle} answers without {error}", "export it again"))
        return Proof(fell_out=fell_out)
    return Proof(images, tuple(predicted), verified.get("source_max_rel_logit_diff"))


def _unproven(runner: Runner, verified: dict[str, Any]) -> RunnerError:
    """What of its proof does not hold, in words."""
    broken = ["images are decoded otherwise"] if verified.get("preprocess_equal") is False else []
    for reference in ("source", "artifact"):
        found, bound = (
            verified.get(f"{reference}_{n}") for n in ("max_rel_logit_diff", "tolerance")
        )
        if bound is not None and (found is None or found > bound):
            how = "are not finite" if found is None else f"differ by {found:.3g} of their deviation"
            broken.append(f"logits {how} from the {reference}'s, {bound:g} is admitted")
    return RunnerError(
        f"{runner.name} fails its own verification: {'; '.join(broken) or verified}",
        "look at the versions of numpy, Pillow and the runtime there, or export it again",
    )


def _files(runner: Runner, images: Sequence[Image]) -> list[str]:
    if not images:
        return []
    names = {f"{i:06d}{_suffix(image.path)}": image.path for i, image in enumerate(images)}
    there = runner.host.put(names)
    paths, found = [there[name] for name in names], list[str]()
    for begin in range(0, len(paths), CHUNK):
        # Not ok where one of them cannot be read: that costs this image alone.
        answer = runner.ask({"do": "predict", "images": paths[begin : begin + CHUNK]})
        found += [str(each.get("label", "")) for each in answer["predictions"]]
    return found


def _suffix(path: Path) -> str:
    """An image's ending, where it is a plain one."""
    return path.suffix.lower() if path.suffix[1:].isalnum() and path.suffix.isascii() else ""


def _tensors(runner: Runner, images: Sequence[Image]) -> list[str]:
    found, tensors = [""] * len(images), []
    for index, image in enumerate(images):
        try:
            tensors.append((index, runner.meta.preprocess.load(str(image.path))))
        except EdgeclsError:  # no image: it is left out, as on a device that decodes
            continue
    if not tensors:
        return found
    with tempfile.TemporaryDirectory() as scratch:
        logits = runner.infer(np.stack([tensor for _, tensor in tensors]), Path(scratch))
    for (index, _), row in zip(tensors, logits, strict=True):
        found[index] = runner.meta.labels[int(row.argmax())]
    return found
