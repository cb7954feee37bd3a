"""The options of `fit`, as a table of the recipe and as flags of a command."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from edgecls.recipe import Section

Preset = Literal["none", "light", "standard", "strong"]
Flip = Literal["none", "random", "alternating"]
Policy = Literal["none", "randaugment", "trivialaugment"]
Optimizer = Literal["sgd", "adam", "adamw", "rmsprop", "lion"]
Schedule = Literal["cosine", "constant", "step", "one-cycle", "plateau"]
Averaging = Literal["none", "ema", "lookahead"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

# Peak learning rates that train most nets; SGD's is a method's own.
LEARNING_RATES = {"adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3, "lion": 1e-4}

# An option that is not at its default -> the option that it belongs to, and its values.
NEEDS = {
    "momentum": ("optimizer", ("sgd", "rmsprop")),
    "nesterov": ("optimizer", ("sgd",)),
    "milestones": ("schedule", ("step",)),
    "gamma": ("schedule", ("step", "plateau")),
    "plateau": ("schedule", ("plateau",)),
    "ema_decay": ("averaging", ("ema",)),
}


class AugmentOptions(Section):
    """How the training images are varied: a preset, and what is to be other than in it."""

    augment: Preset = Field(
        "light",
        description="light: shift, turn and scale a little; standard: crop, flip and colour; "
        "strong: also TrivialAugment and erasing",
    )
    flip: Flip | None = Field(
        None, description="mirror at random, or every image in every other epoch"
    )
    crop: float | None = Field(
        None, ge=0, le=0.5, description="shift by whole pixels, as a share of the side (reflected)"
    )
    translation: float | None = Field(None, ge=0, le=0.5, description="shift, share of the side")
    rotation: float | None = Field(None, ge=0, le=180, description="turn by up to so many degrees")
    scale: float | None = Field(None, ge=0, lt=1, description="zoom by up to this share")
    shear: float | None = Field(None, ge=0, le=60, description="slant by up to so many degrees")
    brightness: float | None = Field(None, ge=0, le=1, description="change, share of full scale")
    contrast: float | None = Field(None, ge=0, le=1, description="change, share of it")
    noise: float | None = Field(
        None, ge=0, le=1, description="largest standard deviation of Gaussian noise, of full scale"
    )
    erasing: float | None = Field(
        None, ge=0, le=1, description="share of the images that lose a rectangle"
    )
    policy: Policy | None = Field(None, description="one of the published sets of operations")
    mixup: float | None = Field(
        None, ge=0, le=10, description="alpha of mixing two images and their labels (0: off)"
    )
    cutmix: float | None = Field(
        None, ge=0, le=10, description="alpha of pasting a part of another image (0: off)"
    )


class FitOptions(AugmentOptions):
    """How long and how a net is trained."""

    # What SGD peaks at where `lr` is left open.
    sgd_lr: ClassVar[float] = 0.2

    epochs: int = Field(20, ge=1, le=100_000, description="passes over the training images")
    batch_size: int = Field(64, ge=2, multiple_of=2, description="images of a step, an even number")
    accumulate: int = Field(1, ge=1, description="parts in which a batch is computed, for memory")
    optimizer: Optimizer = "sgd"
    lr: float | None = Field(
        None,
        gt=0,
        description="peak learning rate per 256 images of a batch (sgd 0.2, adam, adamw and "
        "rmsprop 0.001, lion 0.0001; distill and prune: sgd 0.4, finetune: sgd 0.04)",
    )
    bias_lr: float = Field(1, gt=0, description="factor of the rate of biases and norms")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd and rmsprop")
    nesterov: bool = Field(True, description="look ahead with sgd's momentum")
    weight_decay: float = Field(5e-4, ge=0, description="L2, of weights but no biases or norms")
    l1: float = Field(0, ge=0, description="weight of the sum of the weights' magnitudes")
    schedule: Schedule = Field("cosine", description="how the rate falls after the warm-up")
    warmup: float = Field(0.15, ge=0, lt=1, description="share of the steps that warm up")
    start_lr: float = Field(0, ge=0, le=1, description="rate at the start, share of the peak")
    final_lr: float = Field(0, ge=0, le=1, description="rate at the end, share of the peak")
    milestones: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.5, 0.75], description="step: shares of the training at which the rate falls"
    )
    gamma: float = Field(0.1, gt=0, lt=1, description="step and plateau: factor of a fall")
    plateau: int = Field(
        5, ge=1, description="plateau: epochs without a lower validation loss before a fall"
    )
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: rare classes weigh more in the loss"
    )
    sampling: Literal["uniform", "balanced"] = Field(
        "uniform", description="balanced: rare classes are drawn more often"
    )
    dropout: float | None = Field(None, ge=0, lt=1, description="before the head (the net's own)")
    stochastic_depth: float | None = Field(
        None, ge=0, lt=1, description="chance that the last block is skipped (the net's own)"
    )
    averaging: Averaging = Field(
        "none", description="of the weights: ema, or lookahead (every 5 steps, ever slower)"
    )
    ema_decay: float = Field(0.999, gt=0, lt=1, description="of an averaged weight at each step")
    clip_norm: float = Field(0, ge=0, description="largest norm of a gradient (0: any)")
    precision: Precision = Field(
        "auto", description="of the training's products; auto: bf16 where the device gains from it"
    )
    keep: Literal["best", "last"] = Field("best", description="weights of which validation")
    patience: int = Field(
        0, ge=0, description="stop after so many epochs without a better validation (0: never)"
    )

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        """An option that would do nothing, or would be done twice, is a mistake."""
        for name, (other, values) in NEEDS.items():
            default = type(self).model_fields[name].default
            if getattr(self, name) != default and getattr(self, other) not in values:
                raise ValueError(f"{name} has no effect: it needs {other} {' or '.join(values)}")
        if self.milestones != sorted(self.milestones):
            raise ValueError("milestones should rise, such as 0.5,0.75")
        if self.class_weights == self.sampling == "balanced":
            raise ValueError("class_weights and sampling would balance the classes twice: take one")
        return self

    @property
    def peak_lr(self) -> float:
        """The peak learning rate of a step of `batch_size` images (linear scaling, Goyal 2017)."""
        per_256 = self.lr or LEARNING_RATES.get(self.optimizer, self.sgd_lr)
        return per_256 * self.batch_size / 256


class TaughtOptions(FitOptions):
    """A training whose loss is a teacher's answers beside the labels."""

    # The options that say how long its parts are; each part begins with the first view again.
    passes: ClassVar[tuple[str, ...]] = ("epochs",)

    kind: Literal["kd", "dkd"] = Field(
        "kd", description="dkd: the true class and the other classes weigh apart"
    )
    temperature: float = Field(4.0, gt=0, description="softens both answers")
    alpha: float = Field(0.9, ge=0, le=1, description="weight of the teacher against the labels")
    beta: float = Field(2.0, gt=0, description="dkd: weight of the classes that are not true")
    views: int = Field(
        0,
        ge=0,
        description="the same augmented images come again after so many epochs, so that the "
        "teacher answers them once (0: every epoch is new)",
    )

    @model_validator(mode="after")
    def _has_a_kind(self) -> Self:
        if "beta" in self.model_fields_set and self.kind != "dkd":
            raise ValueError("beta has no effect: it needs kind dkd")
        return self

    @model_validator(mode="after")
    def _is_seen(self) -> Self:
        if self.views and self.views >= max(getattr(self, name) for name in self.passes):
            raise ValueError(f"views has no effect: it needs {' or '.join(self.passes)} above it")
        if self.alpha == 1:
            smoothed = type(self).model_fields["label_smoothing"].default
            weighted = {
                "label_smoothing": self.label_smoothing not in (0, smoothed),
                "class_weights": self.class_weights != "none",
            }
            for name in (name for name, is_chosen in weighted.items() if is_chosen):
                raise ValueError(f"{name} has no effect: the labels count with alpha below 1")
        return self

    @property
    def taught_share(self) -> float:
        """The share of the epochs in which the teacher is asked."""
        return min(1.0, self.views / self.epochs) if self.views and self.epochs else 1.0
