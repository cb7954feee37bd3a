"""The folder ``model.mlpackage``: written the same for the same model, read and checked.

coremltools writes the day, random identifiers and a file of its own besides.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

from edgecls.device.meta import sha256
from edgecls.device.preprocess import Preprocess
from edgecls.errors import ConversionError
from edgecls.quantize.coreml.converting import COLOURS, INPUT, OUTPUT

AUTHOR = "com.apple.CoreML"
DATA = "Data"
SPECIFICATION, WEIGHTS = f"{AUTHOR}/model.mlmodel", f"{AUTHOR}/weights"
WEIGHTS_FILE = f"{WEIGHTS}/weight.bin"
_DATED = "com.github.apple.coremltools.conversion_date"


def write(model: Any, package: Path) -> tuple[str, ...]:
    """Write coremltools' `model` as the folder `package`; gives its files, relative to it.

    The manifest is the first.
    """
    spec = model.get_spec()
    spec.description.metadata.userDefined.pop(_DATED, None)
    (package / DATA / WEIGHTS).mkdir(parents=True)
    path = package / DATA / SPECIFICATION
    path.write_bytes(spec.SerializeToString(deterministic=True))
    files = ["Manifest.json", f"{DATA}/{SPECIFICATION}"]
    items = {"model.mlmodel": (SPECIFICATION, "CoreML Model Specification")}
    weights = Path(model.weights_dir or "", "weight.bin")
    if model.weights_dir and weights.is_file():
        (package / DATA / WEIGHTS_FILE).write_bytes(weights.read_bytes())
        files.append(f"{DATA}/{WEIGHTS_FILE}")
        items["weights"] = (WEIGHTS, "CoreML Model Weights")
    else:
        (package / DATA / WEIGHTS).rmdir()
    text = json.dumps(_manifest(items, sha256(str(path))), indent=4) + "\n"
    (package / files[0]).write_text(text, encoding="utf-8")
    return tuple(files)


def _manifest(items: dict[str, tuple[str, str]], digest: str) -> dict[str, Any]:
    """digest: of the specification, from which the identifiers are made."""
    names = {name: _identifier(digest, index) for index, name in enumerate(items)}
    entries = {
        names[name]: {"author": AUTHOR, "description": what, "name": name, "path": path}
        for name, (path, what) in items.items()
    }
    return {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": names["model.mlmodel"],
    }


def _identifier(digest: str, index: int) -> str:
    """In the form of a UUID."""
    digits = f"{index:x}{digest[:31]}".upper()
    cuts = (0, 8, 12, 16, 20, 32)
    return "-".join(digits[a:b] for a, b in itertools.pairwise(cuts))


def specification(package: Path) -> Any:
    """The package's own Model message."""
    from coremltools.proto import Model_pb2

    found = Model_pb2.Model()
    found.ParseFromString((package / DATA / SPECIFICATION).read_bytes())
    return found


def program(package: Path) -> Any:
    """The operators of the package, with its weights: coremltools' function ``main``."""
    from coremltools.converters.mil.frontend.milproto.load import load

    spec = specification(package)
    folder = str(package / DATA / WEIGHTS)
    return load(spec, spec.specificationVersion, folder).functions["main"]


def check(package: Path, preprocess: Preprocess, num_classes: int) -> None:
    """Raise ConversionError where it does not take the image and give the logits."""
    description = specification(package).description
    (given,), (answer,) = description.input, description.output
    image, array = given.type.imageType, answer.type.multiArrayType
    kinds = image.DESCRIPTOR.enum_types_by_name["ColorSpace"].values_by_number
    types = array.DESCRIPTOR.enum_types_by_name["ArrayDataType"].values_by_number
    found = {
        "input": (given.name, image.height, image.width, kinds[image.colorSpace].name),
        "output": (answer.name, tuple(array.shape), types[array.dataType].name),
    }
    wanted = {
        "input": (INPUT, *preprocess.size, COLOURS[preprocess.mode]),
        "output": (OUTPUT, (1, num_classes), "FLOAT32"),
    }
    if found != wanted:
        raise ConversionError(
            f"the Core ML model has {found}, and not {wanted}", "install a tested coremltools"
        )


def histogram(package: Path) -> dict[str, int]:
    """Operator -> how many; constants are none."""
    main = specification(package).mlProgram.functions["main"]
    (block,) = main.block_specializations.values()
    kinds = Counter(each.type for each in block.operations if each.type != "const")
    return dict(sorted(kinds.items()))
