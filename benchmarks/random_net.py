"""A net of the zoo with random weights that computes like a trained one, as a checkpoint.

For figures of speed, and of conversion at a size for which there are no images here. BatchNorm's
statistics are taken from images, as a training would, and the last layer is scaled so that the
logits have a standard deviation of 1: else half the net would be zero, and every error too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from edgecls.core import Dataset, Images
from edgecls.data.images import as_png
from edgecls.device.preprocess import Preprocess
from edgecls.models import checkpoint, zoo

NUM_CLASSES, NUM_IMAGES, NUM_GOLDEN = 10, 256, 8
# Nothing was learnt, and nothing was judged.
NO_SKILL = {"validation": {"top1": 0.1, "top1_low": 0.0, "top1_high": 1.0, "num_images": 0}}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def checkpoint_of(arch: str, size: int, folder: Path, seed: int = 0) -> Path:
    """A checkpoint of `arch` for square colour images, made once in `folder`."""
    out = folder / f"{arch}-{size}"
    if (out / checkpoint.JSON).exists():
        return out
    out.mkdir(parents=True, exist_ok=True)
    preprocess = Preprocess((size, size), mode="RGB", mean=MEAN, std=STD)
    images = pictures(NUM_IMAGES, size, seed)
    torch.manual_seed(seed)
    net = zoo.build(arch, NUM_CLASSES, 3, (size, size))
    calibrated(net, images, preprocess)
    data = Dataset(
        labels=tuple(f"class{number}" for number in range(NUM_CLASSES)),
        preprocess=preprocess,
        splits={"calibration": (images, np.arange(NUM_IMAGES) % NUM_CLASSES)},
        fingerprint="",
        golden=tuple(
            as_png(Image.fromarray(images[number]), preprocess) for number in range(NUM_GOLDEN)
        ),
    )
    checkpoint.save(out, net, arch, data, metrics=NO_SKILL, provenance={}, curves=[])
    return out


def pictures(count: int, size: int, seed: int) -> Images:
    """uint8[N, size, size, 3]: soft fields of colour with some noise, as far from each other as
    photographs are."""
    rng = np.random.default_rng(seed)
    found = np.empty((count, size, size, 3), np.uint8)
    for number in range(count):
        side = int(rng.integers(2, 12))
        coarse = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        field = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), np.float32)
        noisy = field + rng.normal(0, rng.uniform(0, 12), field.shape)
        found[number] = noisy.clip(0, 255).astype(np.uint8)
    return found


def calibrated(net: nn.Module, images: Images, preprocess: Preprocess) -> None:
    """Give a net in place the statistics and the logits' scale that it has on `images`."""
    norms = [each for each in net.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    momenta = [each.momentum for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None  # the mean over all batches
    batches = torch.split(_normalised(images, preprocess), 32)
    with torch.no_grad():
        net.train()
        for batch in batches:
            net(batch)
        net.eval()
        spread = torch.cat([net(batch) for batch in batches]).std(dim=0).mean()
        last = [each for each in net.modules() if isinstance(each, nn.Linear | nn.Conv2d)][-1]
        last.weight /= spread
        if last.bias is not None:
            last.bias /= spread
    for each, momentum in zip(norms, momenta, strict=True):
        each.momentum = momentum


def _normalised(images: Images, preprocess: Preprocess) -> torch.Tensor:
    """float[N, 3, H, W]."""
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (preprocess.mean, preprocess.std))
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - mean) / std
