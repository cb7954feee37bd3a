"""A checkpoint: a folder with a trained net and all that is needed to use it and convert it.

``checkpoint.json`` (architecture, edits, labels, preprocess, metrics, provenance),
``model.safetensors``, ``curves.json`` and ``samples/``: calibration images, so that it converts to
int8 on its own, a few golden ones, and hashes of the images that it has seen, so that it is not
scored on them unawares. No pickle. Only `save` and `module` need torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecls.core import Dataset, Images
from edgecls.device.meta import sha256
from edgecls.device.preprocess import Preprocess
from edgecls.errors import EdgeclsError, UsageError
from edgecls.rundir import write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

FORMAT = 1
JSON, WEIGHTS, CURVES = "checkpoint.json", "model.safetensors", "curves.json"
CALIBRATION, GOLDEN = "samples/calibration.npz", "samples/golden"
SEEN = "samples/seen.npy"
# Images are read so many at a time.
_HASHED = 1024
# Training images as the augmentation leaves them, and what is in the picture; where there is any.
AUGMENTED_PICTURE, AUGMENTED = "augmented.jpg", "augmented.json"
# Calibration images travel with the checkpoint; above this their number is cut.
MAX_CALIBRATION_BYTES = 64 << 20


@dataclass(frozen=True)
class Checkpoint:
    """What checkpoint.json says. edits: see `edits`; weights_sha256: of model.safetensors.

    temperature: what its logits are divided by, so that its probabilities mean what they say.
    """

    arch: str
    labels: tuple[str, ...]
    preprocess: Preprocess
    metrics: Mapping[str, Any]
    provenance: Mapping[str, Any]
    num_params: int
    macs: int
    edits: tuple[Mapping[str, Any], ...] = ()
    weights_sha256: str = ""
    temperature: float = 1.0
    folder: Path = field(default=Path(), compare=False)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return (self.preprocess.channels, *self.preprocess.size)

    @property
    def is_quantized(self) -> bool:
        """Whether it was trained for int8."""
        return any(edit.get("kind") == "fake-quantize" for edit in self.edits)

    @property
    def is_sparse(self) -> bool:
        """Whether single weights of it were set to zero."""
        return any(edit.get("kind") == "sparsify" for edit in self.edits)

    @property
    def is_reduced(self) -> bool:
        """Whether its weights were trained to keep to 7 of the 8 bits."""
        return any(edit.get("reduce_range") is True for edit in self.edits)

    @property
    def size_bytes(self) -> int:
        """Of the fp32 weights' file."""
        return (self.folder / WEIGHTS).stat().st_size

    def calibration(self) -> NDArray[np.uint8]:
        """Training images, uint8[N, H, W, C]. Raises EdgeclsError."""
        import zipfile

        import numpy as np

        path = self.folder / CALIBRATION
        try:
            with np.load(path, allow_pickle=False) as data:
                images: NDArray[np.uint8] = data["images"]
        except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
            raise EdgeclsError(
                f"{path} cannot be read: {error}", "copy the checkpoint again, or train it again"
            ) from error
        if images.dtype != np.uint8 or images.shape[1:] != self.preprocess.input_shape[1:]:
            raise EdgeclsError(
                f"{path} is {images.dtype}{list(images.shape)}, not the net's input",
                "train it again",
            )
        return images

    def seen(self) -> NDArray[np.uint64]:
        """Sorted `marks` of every image that it, or a parent, was trained or chosen on.

        Empty where that is not known. Raises EdgeclsError.
        """
        import numpy as np

        path = self.folder / SEEN
        if not path.exists():
            return np.zeros(0, np.uint64)
        try:
            marked: NDArray[np.uint64] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise EdgeclsError(
                f"{path} cannot be read: {error}", "copy the checkpoint again, or train it again"
            ) from error
        if marked.dtype != np.uint64 or marked.ndim != 1:
            raise EdgeclsError(f"{path} holds no hashes of images", "train it again")
        return marked

    def golden(self) -> list[bytes]:
        """Encoded golden images."""
        return [path.read_bytes() for path in sorted((self.folder / GOLDEN).glob("*.png"))]


def load(folder: Path) -> Checkpoint:
    """The checkpoint in a folder, its weights' hash checked. Raises EdgeclsError."""
    try:
        data = json.loads((folder / JSON).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"{folder} is not a checkpoint: it has no {JSON}",
            "give a folder such as runs/demo/models/student, or make one with: edgecls train",
        ) from error
    except (OSError, ValueError) as error:
        raise EdgeclsError(
            f"{folder / JSON} cannot be read: {error}",
            "copy the checkpoint again, or train it again",
        ) from error
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise EdgeclsError(f"{folder / JSON} is not of format {FORMAT}", "train it again")
    try:
        _check_types(data)
        data["labels"] = tuple(data["labels"])
        data["edits"] = tuple(data["edits"])
        data["preprocess"] = Preprocess.from_json(data["preprocess"])
        checkpoint = Checkpoint(**data, folder=folder)
        if sha256(str(folder / WEIGHTS)) != checkpoint.weights_sha256:
            raise EdgeclsError(f"{folder / WEIGHTS} has changed", "copy or train it again")
    except (KeyError, TypeError) as error:
        raise EdgeclsError(f"{folder / JSON} is damaged: {error}", "train it again") from error
    except OSError as error:
        raise EdgeclsError(
            f"{folder / WEIGHTS} cannot be read: {error.strerror}",
            "copy the checkpoint again, or train it again",
        ) from error
    return checkpoint


def digest(path: Path) -> str:
    """A name for the content of a file of weights or of a checkpoint's folder; "" for neither."""
    path = path / JSON if path.is_dir() else path
    return sha256(str(path)) if path.is_file() else ""


def _check_types(data: Mapping[str, Any]) -> None:
    """Raises TypeError or KeyError for values of which no net could be built."""
    for name, kind in (("labels", str), ("edits", dict)):
        if not isinstance(data[name], list) or not all(isinstance(v, kind) for v in data[name]):
            raise TypeError(f"{name} is {data[name]!r:.80}")
    if not isinstance(data["arch"], str):
        raise TypeError(f"arch is {data['arch']!r:.80}")
    heat = data.get("temperature", 1.0)
    if not isinstance(heat, (int, float)) or not 0 < heat < math.inf:
        raise TypeError(f"temperature is {heat!r:.80}")


def marks(images: Images) -> NDArray[np.uint64]:
    """64 bits of a hash of each preprocessed image, uint64[N]: equal for equal tensors."""
    import numpy as np

    digests = []
    for start in range(0, len(images), _HASHED):
        block = np.ascontiguousarray(images[start : start + _HASHED])
        digests += [hashlib.blake2b(image, digest_size=8).digest() for image in block]
    return np.frombuffer(b"".join(digests), np.dtype("<u8")).astype(np.uint64)


def module(checkpoint: Checkpoint) -> nn.Module:
    """The net of a checkpoint with its weights, in evaluation mode. Raises EdgeclsError."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from edgecls.models import edits, zoo

    try:
        # Tensors made in a caller's inference mode could never be traced or trained.
        with torch.inference_mode(False):
            net = zoo.build(
                checkpoint.arch,
                len(checkpoint.labels),
                checkpoint.preprocess.channels,
                checkpoint.preprocess.size,
            )
            net = edits.replay(net, checkpoint.edits, checkpoint.input_shape)
            net.load_state_dict(load_file(checkpoint.folder / WEIGHTS))
    except (RuntimeError, SafetensorError) as error:
        raise EdgeclsError(
            f"{checkpoint.folder}: the weights do not fit {checkpoint.arch} and its edits",
            "train it again with this version",
        ) from error
    return net.eval()


def save(
    out: Path,
    net: nn.Module,
    arch: str,
    data: Dataset,
    *,
    metrics: Mapping[str, Any],
    provenance: Mapping[str, Any],
    curves: Sequence[Mapping[str, Any]],
    edits: Sequence[Mapping[str, Any]] = (),
    temperature: float = 1.0,
    seen: NDArray[np.uint64] | None = None,
) -> None:
    """Write a checkpoint of `net` into the folder `out`; checkpoint.json comes last.

    seen: the `marks` of the images that it was trained and chosen on, and its parents were.
    """
    from safetensors.torch import save_file

    from edgecls.models import cost

    preprocess = data.preprocess
    macs, params = cost.count(net, (preprocess.channels, *preprocess.size))
    tensors = {name: t.detach().contiguous() for name, t in net.state_dict().items()}
    save_file(tensors, out / WEIGHTS)
    write_text(out / CURVES, json.dumps({"epochs": list(curves)}, indent=1) + "\n")
    _save_samples(out, data)
    if seen is not None:
        _save_seen(out, seen)
    checkpoint = Checkpoint(
        arch=arch,
        labels=data.labels,
        preprocess=preprocess,
        metrics=metrics,
        provenance=provenance,
        num_params=params,
        macs=macs,
        edits=tuple(edits),
        weights_sha256=sha256(str(out / WEIGHTS)),
        temperature=temperature,
    )
    _write(checkpoint, out)


def copy_calibrated(checkpoint: Checkpoint, temperature: float, out: Path) -> None:
    """Write a copy of `checkpoint` with another temperature into the empty folder `out`."""
    shutil.copytree(checkpoint.folder, out, dirs_exist_ok=True)
    _write(replace(checkpoint, temperature=temperature), out)


def _write(checkpoint: Checkpoint, out: Path) -> None:
    preprocess = checkpoint.preprocess.to_json()
    record = {"format": FORMAT, **asdict(checkpoint), "preprocess": preprocess}
    del record["folder"]
    write_text(out / JSON, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _save_seen(out: Path, seen: NDArray[np.uint64]) -> None:
    import numpy as np

    np.save(out / SEEN, np.unique(seen), allow_pickle=False)


def _save_samples(out: Path, data: Dataset) -> None:
    import numpy as np

    images, _ = data["calibration"]
    count = max(1, MAX_CALIBRATION_BYTES // max(1, images[0].nbytes))
    (out / GOLDEN).mkdir(parents=True)
    np.savez_compressed(out / CALIBRATION, allow_pickle=False, images=np.asarray(images[:count]))
    for index, encoded in enumerate(data.golden):
        (out / GOLDEN / f"{index:03d}.png").write_bytes(encoded)
