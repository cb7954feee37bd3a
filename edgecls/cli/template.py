"""The recipe that ``edgecls init`` writes: every key with its default and what it means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edgecls.errors import UsageError
from edgecls.recipe import Recipe
from edgecls.rundir import write_text

HEAD = """\
# A recipe of edgecls: `edgecls run {name}`. Every value below is the default; what stands behind
# a '#' is chosen by edgecls for your images until you set it.
"""

MODELS = """\

# The models, made in this order. Leave them out and edgecls chooses nets for your images. A table
# without `method` changes the chosen net of that name, e.g.:
# [models.student]
# macs_ratio = 2.0
#
# The keys of a method are the flags of its command: see `edgecls train --help`.
# With `method` (train, finetune, distill, prune, sparsify or qat) the models are your own:
# [models.teacher]
# method = "train"
# arch = "resnet20"            # `edgecls models` lists them
# epochs = 20
# augment = "standard"
# label_smoothing = 0          # smoothed labels tell a student less
#
# [models.small]
# method = "distill"
# teacher = "teacher"
# arch = "resnet8"
#
# [models.student]
# method = "prune"
# model = "small"
# teacher = "teacher"
# macs_ratio = 1.5
"""


def text(name: str) -> str:
    """The whole recipe as commented TOML."""
    lines, sections = _lines(Recipe, top=True)
    parts = [HEAD.format(name=name), *lines, MODELS]
    for section, kind in sections:
        parts += ["", f"[{section}]", *_lines(kind)[0]]
    return "\n".join(parts) + "\n"


def write(path: Path, force: bool) -> Path:
    """Write the recipe; an existing file stays unless `force`."""
    if path.exists() and not force:
        raise UsageError(f"{path} exists already", "choose another name, or add --force")
    if path.parent != Path() and not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", "make it first")
    write_text(path, text(path.name))
    return path


def _lines(
    kind: type[BaseModel], top: bool = False
) -> tuple[list[str], list[tuple[str, type[BaseModel]]]]:
    lines, sections = [], []
    for name, field in kind.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            sections.append((name, annotation))
            continue
        if name == "models":
            continue
        default: Any = field.get_default(call_default_factory=True)
        comment = f"  # {field.description}" if field.description else ""
        key = field.alias or name
        if default is None or (top and name == "name"):  # a run is called after its recipe
            lines.append(f"# {key} ={comment}")
        else:
            lines.append(f"{key} = {json.dumps(default)}{comment}")
    return lines, sections
