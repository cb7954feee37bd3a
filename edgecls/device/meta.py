"""meta.json: what a bundle is, and the hashes that prove it. The only writer and reader.

``python -m edgecls.device.meta`` prints the JSON schema from which C++, Kotlin and Swift kits
take their reader (``export/meta.schema.json``).
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from .errors import EdgeclsError
from .preprocess import Preprocess
from .schema import mismatch

FORMAT = 1
NAME = "meta.json"
BLANK = "0" * 64
_SEAL = re.compile(rb'"seal": "[0-9a-f]{64}"')


class MetaError(EdgeclsError):
    """A meta.json that is missing, damaged or of another format."""


@dataclass(frozen=True)
class Golden:
    """How far logits on the golden images may be off, over the source logits' standard deviation.

    source: from the trained model's logits; artifact: from those that this very artifact gave on
    the machine that exported it (None where that machine could not run it).
    """

    count: int
    source: float
    artifact: Optional[float] = None


@dataclass(frozen=True)
class Postprocess:
    """What follows the logits: ``softmax(logits / temperature)``, rejected below a confidence."""

    temperature: float = 1.0
    reject_threshold: float = 0.0


@dataclass(frozen=True)
class Meta:
    """A bundle's description; see the schema for the meaning of each field."""

    model: str
    target: str
    precision: str
    scheme: Optional[Dict[str, Any]]
    hardware: Dict[str, Any]
    input_shape: Tuple[int, int, int, int]
    labels: Tuple[str, ...]
    preprocess: Preprocess
    postprocess: Postprocess
    golden: Golden
    model_files: Tuple[str, ...]
    kit: str
    versions: Dict[str, str]
    run: str
    reference: Dict[str, Any] = field(default_factory=dict)
    provenance: Dict[str, Any] = field(default_factory=dict)
    details: Dict[str, Any] = field(default_factory=dict)
    files: Dict[str, str] = field(default_factory=dict)


# What each field means; which values are valid, and fit each other, `Preprocess` itself checks.
_PREPROCESS: Dict[str, Any] = {
    "size": {"type": "array", "items": {"type": "integer"}, "description": "height, width"},
    "resize": {"type": "string", "description": "stretch, shortest (and crop the centre) or pad"},
    "crop_ratio": {"type": "number", "description": "shortest scales to size / crop_ratio"},
    "interpolation": {"type": "string", "description": "nearest, bilinear, bicubic or lanczos"},
    "antialias": {"type": "boolean", "description": "filter over the source's whole footprint"},
    "mode": {"type": "string", "description": "RGB, BGR or L"},
    "exif": {"type": "boolean", "description": "turn the image upright first"},
    "fill": {"type": "integer", "description": "0 to 255, around an image that is padded"},
    "mean": {
        "type": "array",
        "items": {"type": "number"},
        "description": "a channel's, of values from 0 to 1; the model's graph does it",
    },
    "std": {"type": "array", "items": {"type": "number"}, "description": "as mean"},
}

SCHEMA: Dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "edgecls bundle: meta.json",
    "type": "object",
    "properties": {
        "format": {
            "type": "integer",
            "const": FORMAT,
            "description": "number of this file's format",
        },
        "model": {"type": "string", "description": "the model's name in its run"},
        "target": {"type": "string", "description": "runtime, such as openvino"},
        "precision": {
            "type": "string",
            "description": "fp32, fp16, bf16, int8, int8-dynamic or int8-weights",
        },
        "scheme": {"type": ["object", "null"], "description": "how int8 was quantized"},
        "hardware": {"type": "object", "description": "the machine that it was converted for"},
        "input_shape": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "minItems": 4,
            "maxItems": 4,
            "description": "[1, H, W, C] of the uint8 tensor",
        },
        "labels": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "preprocess": {
            "type": "object",
            "properties": _PREPROCESS,
            "description": "from image file to uint8[H, W, C]",
        },
        "postprocess": {
            "type": "object",
            "properties": {
                "temperature": {"type": "number", "exclusiveMinimum": 0},
                "reject_threshold": {"type": "number", "minimum": 0, "maximum": 1},
            },
            "required": ["temperature", "reject_threshold"],
            "additionalProperties": False,
        },
        "golden": {
            "type": "object",
            "properties": {
                "count": {"type": "integer", "minimum": 1},
                "source": {"type": "number", "exclusiveMinimum": 0},
                "artifact": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
            "required": ["count", "source", "artifact"],
            "additionalProperties": False,
        },
        "model_files": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": "the files that the runtime reads; the first is the one to load",
        },
        "kit": {"type": "string", "description": "the folder of export/ that runs it"},
        "versions": {"type": "object", "additionalProperties": {"type": "string"}},
        "run": {"type": "string", "description": "the command that runs this bundle"},
        "reference": {"type": "object", "description": "statistics of confidence and brightness"},
        "provenance": {"type": "object", "description": "where the model came from"},
        "details": {"type": "object", "description": "what only this target has to say"},
        "seal": {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "sha256 of this file's bytes with 64 zeros in place of the seal",
        },
        "files": {
            "type": "object",
            "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "description": "sha256 of every other file of the bundle",
        },
    },
    "required": [
        "format",
        "model",
        "target",
        "precision",
        "scheme",
        "hardware",
        "input_shape",
        "labels",
        "preprocess",
        "postprocess",
        "golden",
        "model_files",
        "kit",
        "versions",
        "run",
        "reference",
        "provenance",
        "details",
        "files",
        "seal",
    ],
    "additionalProperties": False,
}


def write(folder: str, meta: Meta) -> None:
    """Write `folder`/meta.json, with the hash of every other file there in its ``files``."""
    data: Dict[str, Any] = {"format": FORMAT}
    data.update(
        {
            "model": meta.model,
            "target": meta.target,
            "precision": meta.precision,
            "scheme": meta.scheme,
            "hardware": meta.hardware,
            "input_shape": list(meta.input_shape),
            "labels": list(meta.labels),
            "preprocess": meta.preprocess.to_json(),
            "postprocess": vars(meta.postprocess),
            "golden": vars(meta.golden),
            "model_files": list(meta.model_files),
            "kit": meta.kit,
            "versions": dict(sorted(meta.versions.items())),
            "run": meta.run,
            "reference": meta.reference,
            "provenance": meta.provenance,
            "details": meta.details,
            "files": {name: sha256(os.path.join(folder, name)) for name in list_files(folder)},
        }
    )
    data["seal"] = BLANK
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    beside = os.path.join(folder, NAME + ".part")
    with open(beside, "wb") as stream:
        stream.write(sealed(text.encode("utf-8")))
    os.replace(beside, os.path.join(folder, NAME))


def sealed(text: bytes) -> bytes:
    """The bytes of a meta.json with its ``seal``: their own sha256, taken with the seal blank.

    It shows a damaged byte; against intent there is only the comparison of code with the kits.
    """
    blank = _SEAL.sub(b'"seal": "' + BLANK.encode() + b'"', text)
    return _SEAL.sub(b'"seal": "' + hashlib.sha256(blank).hexdigest().encode() + b'"', blank)


def _missing(folder: str) -> str:
    if os.path.isdir(folder):
        return "it has no {}".format(NAME)
    if os.path.exists(folder):
        return "it is a file, and neither a folder nor an archive of one"
    return "there is no such folder"


def read(folder: str) -> Meta:
    """The Meta of a bundle. Raises MetaError; the files' hashes are `check`'s."""
    path = os.path.join(folder, NAME)
    try:
        with open(path, encoding="utf-8") as stream:
            data = json.load(stream, parse_constant=_no_number)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MetaError(
            "{} is not a bundle: {}".format(folder, _missing(folder)),
            "make one with: edgecls export CHECKPOINT --target TARGET",
        ) from error
    except (OSError, ValueError) as error:
        raise MetaError(
            "{} cannot be read: {}".format(path, error), "copy or export the bundle again"
        ) from error
    problem = _problem(data)
    if problem:
        raise MetaError("{}: {}".format(path, problem), "export the bundle again")
    meta = Meta(
        model=data["model"],
        target=data["target"],
        precision=data["precision"],
        scheme=data["scheme"],
        hardware=data["hardware"],
        input_shape=tuple(data["input_shape"]),
        labels=tuple(data["labels"]),
        preprocess=Preprocess.from_json(data["preprocess"]),
        postprocess=Postprocess(**data["postprocess"]),
        golden=Golden(**data["golden"]),
        model_files=tuple(data["model_files"]),
        kit=data["kit"],
        versions=data["versions"],
        run=data["run"],
        reference=data["reference"],
        provenance=data["provenance"],
        details=data["details"],
        files=data["files"],
    )
    problem = _contradiction(meta)
    if problem:
        raise MetaError("{}: {}".format(path, problem), "export the bundle again")
    return meta


def _no_number(name: str) -> None:
    raise ValueError("{} is no JSON".format(name))


def _problem(data: Any) -> str:
    """What keeps `data` from being a meta.json of this format, or the empty string."""
    if not isinstance(data, dict):
        return "not a JSON object"
    if data.get("format") != FORMAT:
        return "format {!r}, but this harness reads format {}".format(data.get("format"), FORMAT)
    return mismatch(data, SCHEMA)


def _contradiction(meta: Meta) -> str:
    """Which fields do not fit each other, or the empty string."""
    if meta.input_shape[1:] != meta.preprocess.input_shape[1:]:
        return "input_shape is not what preprocess gives"
    for name in meta.model_files:
        if name not in meta.files:
            return "model_files names {!r}, which files does not list".format(name)
    return ""


def list_files(folder: str) -> List[str]:
    """Every file below `folder` but meta.json itself, sorted, with forward slashes.

    Raises MetaError for a symbolic link, which could point anywhere, and for a pipe or a device.
    """
    found = []
    for root, folders, names in os.walk(folder):
        for name in folders + names:
            if os.path.islink(os.path.join(root, name)):
                raise MetaError("{} is a symbolic link".format(os.path.join(root, name)))
        for name in names:
            if not os.path.isfile(os.path.join(root, name)):
                raise MetaError("{} is no regular file".format(os.path.join(root, name)))
            relative = os.path.relpath(os.path.join(root, name), folder).replace(os.sep, "/")
            if relative != NAME:
                found.append(relative)
    return sorted(found)


def sha256(path: str) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def check(folder: str, meta: Meta) -> List[str]:
    """What differs between a bundle's files and the hashes in its meta.json; empty if nothing.

    A file that is not listed counts too: Python might import it instead of one that is.
    """
    present = set(list_files(folder))
    with open(os.path.join(folder, NAME), "rb") as stream:
        text = stream.read()
    problems = [] if sealed(text) == text else ["{} has changed".format(NAME)]
    problems += ["{} is missing".format(name) for name in sorted(set(meta.files) - present)]
    problems += [
        "{} is not listed in {}".format(name, NAME) for name in sorted(present - set(meta.files))
    ]
    for name in sorted(present & set(meta.files)):
        if sha256(os.path.join(folder, name)) != meta.files[name]:
            problems.append("{} has changed".format(name))
    return problems


def bundle_sha256(folder: str) -> str:
    """The hash of a bundle: its meta.json's, which holds the hash of every other file."""
    return sha256(os.path.join(folder, NAME))


if __name__ == "__main__":
    print(json.dumps(SCHEMA, indent=1))
