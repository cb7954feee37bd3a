"""Files of pretrained weights: torchvision's by their names, or the user's own. Nothing unpickled.

torchvision's are downloaded once, into the folder where torch itself looks for them; what lies
there is used without a network, and only if its content is what its name says.
"""

from __future__ import annotations

import contextlib
import re
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor

from edgecls.device.meta import sha256
from edgecls.errors import EdgeclsError, UsageError, unknown_name
from edgecls.models import checkpoint, timms, vision, zoo

# What almost all of torchvision's and timm's weights were trained with.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# These change their input to this normalisation inside, where torchvision loads its own weights.
CENTRED = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
TRANSFORMED_INSIDE = ("googlenet", "inception_v3")
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
HASHED_NAME = re.compile(r"-([a-f0-9]{8,})\.")

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Published:
    """One of torchvision's weights. file: where it is, or will be."""

    name: str
    url: str
    file: Path
    normalisation: Normalisation

    @property
    def is_here(self) -> bool:
        return self.file.is_file()


@dataclass(frozen=True)
class Weights:
    """Tensors by name, the normalisation that they were trained with, and where they are from."""

    tensors: Mapping[str, Tensor]
    normalisation: Normalisation
    source: str


def check(arch: str, weights: str) -> None:
    """Raises UsageError for what `read` could never find, before anything long begins."""
    if not Path(weights).exists():
        _check_is_no_path(weights)
        published_for(arch, weights)


def _check_is_no_path(weights: str) -> None:
    if Path(weights).suffix in SUFFIXES or "/" in weights:
        raise UsageError(f"the weights {weights} are not there", "check the path")


def read(arch: str, weights: str) -> Weights:
    """weights: DEFAULT or another of torchvision's names, a file, or a checkpoint's folder.

    Raises EdgeclsError, or UsageError for a name that does not exist.
    """
    path = Path(weights)
    if path.is_dir():
        return _of_checkpoint(path)
    if path.is_file():
        known = {p.file.name: p for p in _all_published(arch).values()}
        published = known.get(path.name)
        normalisation = published.normalisation if published else IMAGENET
        return Weights(_tensors(path), normalisation, f"{path.name} ({sha256(str(path))[:12]})")
    _check_is_no_path(weights)
    found = published_for(arch, weights)
    _fetch(found)
    return Weights(_tensors(found.file), found.normalisation, f"{found.name} ({found.file.name})")


def published_for(arch: str, name: str = "DEFAULT") -> Published:
    """torchvision's weights of a net. name: with or without the class. Raises UsageError."""
    every = _all_published(arch)
    if not every:
        raise UsageError(
            f"torchvision has no weights for {arch}",
            "give a file with weights=FILE, or choose a net of torchvision's",
        )
    short = name.rpartition(".")[2]
    if short not in every:
        raise unknown_name(f"weights of {arch}", name, every)
    return every[short]


def _all_published(arch: str) -> dict[str, Published]:
    import torchvision

    if arch in zoo.OWN or arch.startswith(timms.PREFIX) or arch not in vision.names():
        return {}
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    found = {}
    for name, entry in torchvision.models.get_model_weights(
        vision.origin(arch)
    ).__members__.items():
        transform = entry.transforms()
        normalisation = (tuple(transform.mean), tuple(transform.std))
        found[name] = Published(
            name=f"{vision.origin(arch)} {entry.name}",
            url=entry.url,
            file=folder / Path(urlparse(entry.url).path).name,
            normalisation=CENTRED if arch in TRANSFORMED_INSIDE else normalisation,
        )
    return found


def _fetch(published: Published) -> None:
    """Download a file that is not here, and check the one that is. Raises EdgeclsError."""
    if not published.is_here:
        try:
            published.file.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.redirect_stdout(sys.stderr):
                torch.hub.download_url_to_file(
                    published.url, str(published.file), _hash_in(published.file), progress=False
                )
        except (OSError, RuntimeError) as error:
            raise EdgeclsError(
                f"the weights {published.name} cannot be downloaded: {error}",
                f"get {published.file.name} from {published.url} on another machine and put it "
                f"into {published.file.parent}",
            ) from error
    expected = _hash_in(published.file)
    if expected and not sha256(str(published.file)).startswith(expected):
        raise EdgeclsError(
            f"{published.file} is damaged: its sha256 does not begin with {expected}",
            "delete it; it is then downloaded again",
        )


def _hash_in(file: Path) -> str | None:
    """torchvision's file names end with the first digits of their sha256."""
    found = HASHED_NAME.search(file.name)
    return found.group(1) if found else None


def _of_checkpoint(folder: Path) -> Weights:
    from safetensors.torch import load_file

    loaded = checkpoint.load(folder)
    if loaded.edits:
        raise UsageError(
            f"{folder} was changed after its training ({loaded.edits[0]['kind']}), which a "
            f"fine-tuning of {loaded.arch} would not keep",
            "fine-tune the checkpoint that it was made from",
        )
    normalisation = (tuple(loaded.preprocess.mean), tuple(loaded.preprocess.std))
    tensors = load_file(folder / checkpoint.WEIGHTS)
    return Weights(tensors, normalisation, f"{loaded.arch} ({loaded.weights_sha256[:12]})")


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file. Raises EdgeclsError for one that holds anything else."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    # What torch raises for anything but tensors; to load a pickle is torch's alone. Its reader
    # stumbles over bytes that are no pickle with whatever their first opcode leads to.
    refused: type[Exception] = torch.serialization.pickle.UnpicklingError  # type: ignore[attr-defined]
    stumbled = (LookupError, AssertionError, AttributeError, TypeError, ValueError, struct.error)
    try:
        found: Any
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (refused, SafetensorError, RuntimeError, EOFError, OSError, *stumbled) as error:
        reason = "it is damaged, or of another kind" if isinstance(error, stumbled) else str(error)
        raise EdgeclsError(
            f"{path} holds no plain tensors: {reason.partition(chr(10))[0]}",
            "give a .safetensors file, or a .pth file of a state_dict alone",
        ) from error
    return _unwrapped(found, path)


def _unwrapped(found: Any, path: Path) -> dict[str, Tensor]:
    """The state_dict in what a training script has saved, without DataParallel's prefix."""
    for key in ("state_dict", "model", "net"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found:
        raise EdgeclsError(f"{path} holds no state_dict", "save the net's state_dict() alone")
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items()):
        raise EdgeclsError(f"{path} holds more than tensors", "save the net's state_dict() alone")
    prefix = "module." if all(name.startswith("module.") for name in found) else ""
    return {name[len(prefix) :]: tensor for name, tensor in found.items()}
