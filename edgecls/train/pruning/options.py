"""The options of `prune`, as a table of the recipe and as flags of its command."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from edgecls.train.options import TaughtOptions

# Option of a goal -> what its price is; exactly one is given.
GOALS = {
    "macs_ratio": "macs",
    "params_ratio": "params",
    "size_bytes": "size",
    "latency_ratio": "latency",
    "latency_ms": "latency",
}
DEFAULT_RATIO = 2.0
# Option that is not at its default -> what it needs, and what is to be said.
NEEDED = {
    "step_epochs": ("steps", "it needs steps above 1"),
    "sparse_reg": ("sparse_epochs", "it needs sparse_epochs above 0"),
    "sparse_lr": ("sparse_epochs", "it needs sparse_epochs above 0"),
}


class PruneOptions(TaughtOptions):
    """Options of ``edgecls prune``."""

    sgd_lr: ClassVar[float] = 0.4
    passes: ClassVar[tuple[str, ...]] = ("epochs", "step_epochs", "sparse_epochs")

    model: str = Field(description="the model or checkpoint to prune")
    teacher: str | None = Field(None, description="who teaches the fine-tuning (default: model)")
    macs_ratio: float | None = Field(
        None, gt=1, description="how many times fewer MACs to aim at (2, where no goal is given)"
    )
    params_ratio: float | None = Field(None, gt=1, description="how many times fewer parameters")
    size_bytes: int | None = Field(None, ge=1, description="most bytes of the fp32 weights")
    latency_ratio: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="share of model's p50 on latency_target that is left, measured",
    )
    latency_ms: float | None = Field(
        None, gt=0, description="most p50 on latency_target in milliseconds, measured"
    )
    latency_target: str = Field("onnxruntime", description="where the latency is measured")
    latency_precision: Literal["fp32", "fp16", "int8"] = Field(
        "fp32", description="of the net whose latency is measured"
    )
    importance: Literal["magnitude", "group-norm", "taylor", "bn-scale", "random"] = Field(
        "group-norm", description="what a channel is worth"
    )
    scope: Literal["global", "local"] = Field(
        "global", description="global: channels of all layers compete; local: of one layer each"
    )
    isomorphic: bool = Field(
        True, description="global: only layers that hang together alike compete"
    )
    steps: int = Field(1, ge=1, le=64, description="cuts, with a short training after each")
    step_epochs: int = Field(2, ge=1, description="passes between two cuts")
    sparse_epochs: int = Field(
        0, ge=0, description="passes before the cut that draw weak channels to zero (DepGraph)"
    )
    sparse_reg: float = Field(5e-4, gt=0, description="strength of that")
    sparse_lr: float = Field(0.02, gt=0, description="peak learning rate of that, per 256 images")
    round_to: int = Field(
        0,
        ge=0,
        description="channels are left in multiples of this (0: of 8, which fill a vector register"
        " or a block of a GPU's kernel, and of less where a layer has few)",
    )
    protect: list[str] = Field([], description="layers or blocks that keep their channels")
    protect_stem: bool = Field(
        True, description="the layers that read the image keep their channels"
    )
    max_layer_ratio: float = Field(
        0.9, gt=0, lt=1, description="largest share of its channels that a layer loses"
    )
    epochs: int = Field(14, ge=0, description="passes of the fine-tuning")

    @model_validator(mode="before")
    @classmethod
    def _has_goal(cls, data: Any) -> Any:
        if isinstance(data, dict) and all(data.get(name) is None for name in GOALS):
            return {**data, "macs_ratio": DEFAULT_RATIO}
        return data

    @model_validator(mode="after")
    def _is_used(self) -> Self:
        """One goal, and no option that would do nothing."""
        given = [name for name in GOALS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are two goals: give one")
        for name, (other, why) in NEEDED.items():
            fields = type(self).model_fields
            if getattr(self, name) != fields[name].default and (
                getattr(self, other) == fields[other].default
            ):
                raise ValueError(f"{name} has no effect: {why}")
        if self.scope == "local" and "isomorphic" in self.model_fields_set and self.isomorphic:
            raise ValueError("isomorphic has no effect: it needs scope global")
        if GOALS[given[0]] != "latency":
            for name in ("latency_target", "latency_precision"):
                if name in self.model_fields_set and getattr(self, name) != (
                    type(self).model_fields[name].default
                ):
                    raise ValueError(f"{name} has no effect: it needs latency_ratio or latency_ms")
        return self

    @property
    def goal(self) -> str:
        """The one of `GOALS` that is given."""
        return next(name for name in GOALS if getattr(self, name) is not None)

    @property
    def all_epochs(self) -> int:
        """Of the whole method."""
        return self.sparse_epochs + (self.steps - 1) * self.step_epochs + self.epochs
