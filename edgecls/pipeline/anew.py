"""Training anew for an evaluation: cross-validation and the learning curve.

Everything that can be wrong with what was asked is told by `plan`, before anything is scored or
trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgecls import data as datas
from edgecls.errors import UsageError, unknown_name
from edgecls.evaluation import Evaluation
from edgecls.models import zoo
from edgecls.pipeline import folds, learning
from edgecls.pipeline.choice import choose
from edgecls.pipeline.holdout import Folder
from edgecls.pipeline.nets import resolve
from edgecls.pipeline.parts import Maker, Part, Pool, maker, pool
from edgecls.pipeline.subject import Model
from edgecls.pipeline.workshop import Workshop


@dataclass(frozen=True)
class Anew:
    """What is to be trained. folds, sizes: its parts; empty where they were not asked for."""

    maker: Maker
    pool: Pool
    folds: tuple[Part, ...] = ()
    sizes: tuple[Part, ...] = ()

    def train(self, workshop: Workshop, found: Evaluation) -> Evaluation:
        """`found` with the cross-validation and the learning curve that were asked for."""
        about = {
            "method": self.maker.method.name,
            "options": self.maker.options.model_dump(),
            "seed": workshop.recipe.seed,
        }
        found = replace(found, recipe=about)
        if self.folds:
            crossed = folds.cross_validate(workshop, self.maker, self.pool, self.folds)
            found = replace(found, folds=crossed)
        if self.sizes:
            curve = learning.learning_curve(workshop, self.maker, self.pool, self.sizes)
            found = replace(found, curve=curve)
        return found


def plan(
    workshop: Workshop,
    model: Model | None,
    folder: Folder,
    net: str | None,
    count: int | None,
    shares: Sequence[float],
) -> Anew:
    """How the model is trained anew, or without one a net of the recipe (None: its first).

    count: of folds, or None. shares: of the training images, for the curve. Raises UsageError
    for a net that there is not, one that cannot take the images, and for parts that are too small.
    """
    recipe, listing = workshop.recipe, folder.listing
    if model is not None:
        made, preprocess = _of_model(model), model.preprocess
    else:
        choice = choose(datas.sniff(listing), recipe.data, recipe.models)
        made, preprocess = _of_recipe(choice.models, net), choice.preprocess
    # A net that cannot be built is told before the images are decoded.
    arch = made.method.arch({}, made.options)
    zoo.price(arch, len(listing.labels), preprocess.channels, preprocess.size)
    images = pool(workshop.data(folder.images, folder.fingerprint, preprocess), listing.root)
    return Anew(
        made,
        images,
        tuple(folds.drawn(workshop, images, count, listing.given_splits) if count else ()),
        tuple(learning.parts(images, shares, workshop) if shares else ()),
    )


def _of_model(model: Model) -> Maker:
    """The method and options of the model's own training."""
    about = model.provenance
    if not {"method", "options"} <= set(about):
        raise UsageError(
            f"{model.subject.path} does not say how it was trained",
            "leave it out, and name a net of a recipe: --recipe FILE --net NAME",
        )
    return maker(about["method"], about["options"], about.get("parents", {}))


def _of_recipe(tables: Mapping[str, Mapping[str, Any]], name: str | None) -> Maker:
    nets = {net.name: net for net in resolve(tables)}
    name = name or next(iter(nets))
    if name not in nets:
        raise unknown_name("model", name, nets)
    net = nets[name]
    return maker(net.method.name, net.options.model_dump(), net.parents.values())
