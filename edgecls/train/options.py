"""The options of `fit`, as a table of the recipe and as flags of a command."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgecls.recipe import Section

Augment = Literal["none", "light", "standard"]


class FitOptions(Section):
    """How long and how a net is trained."""

    epochs: int = Field(20, ge=1, description="passes over the training images")
    batch_size: int = Field(64, ge=2, multiple_of=2, description="images of a step, an even number")
    lr: float = Field(0.2, gt=0, description="peak learning rate of SGD, per 256 images of a batch")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    warmup: float = Field(0.15, ge=0, lt=1, description="share of the steps that warm up")
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    augment: Augment = Field(
        "light", description="light: shift, turn and scale a little; standard: also flip and colour"
    )
    patience: int = Field(
        0, ge=0, description="stop after so many epochs without a better validation (0: never)"
    )
