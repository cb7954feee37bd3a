"""Transfer learning: pretrained weights, a head for the classes of the data, a gentle training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import BaseModel, Field, computed_field, model_validator

from edgecls.core import Context, Workload
from edgecls.train.options import FitOptions

if TYPE_CHECKING:
    from torch import nn

    from edgecls.train.parts import Part


class FinetuneOptions(FitOptions):
    """Options of ``edgecls finetune``."""

    # A fifth of a fresh net's: pretrained weights are near a good place.
    sgd_lr: ClassVar[float] = 0.04

    arch: str = Field("resnet18", description="the net, of torchvision's mostly")
    weights: str = Field(
        "DEFAULT",
        min_length=1,
        description="torchvision's name such as IMAGENET1K_V1, a .safetensors or .pth file, or a "
        "checkpoint's folder",
    )
    freeze: str = Field(
        "none",
        pattern=r"^(none|backbone|\d+)$",
        coerce_numbers_to_str=True,  # a recipe's freeze = 4
        description="what never learns: none, backbone (all but the head), or a number of the "
        "first groups of layers, of at most 12",
    )
    unfreeze_every: int = Field(
        0, ge=0, description="epochs after which the next group learns too, from the head down"
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="factor of the learning rate from a group to the one below"
    )
    norms: Literal["auto", "frozen", "learn"] = Field(
        "auto", description="BatchNorm's statistics; auto: frozen where layers are"
    )
    lora_rank: int = Field(0, ge=0, description="train adapters of this rank instead (0: none)")
    lora_alpha: float = Field(16.0, gt=0, description="adapters are scaled by alpha / rank")

    @model_validator(mode="after")
    def _is_used(self) -> Self:
        if "lora_alpha" in self.model_fields_set and not self.lora_rank:
            raise ValueError("lora_alpha has no effect: it needs lora_rank above 0")
        chosen = {
            "freeze": self.freeze != "none",
            "unfreeze_every": self.unfreeze_every > 0,
            "layer_decay": self.layer_decay != 1.0,
        }
        for name in (name for name, is_chosen in chosen.items() if self.lora_rank and is_chosen):
            raise ValueError(f"{name} has no effect: with lora_rank the adapters learn; leave one")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def weights_sha256(self) -> str:
        """Of a local file or checkpoint: another content is another training."""
        from edgecls.models import checkpoint

        return checkpoint.digest(Path(self.weights))


class Finetune:
    """The net of `arch` with pretrained weights, trained on labels alone."""

    name = "finetune"
    version = 1
    summary = "Train a net that begins with pretrained weights."
    Options: ClassVar[type[BaseModel]] = FinetuneOptions
    parents: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("torch", "torchvision", "timm", "peft")

    def apply(
        self, parents: Mapping[str, Path], options: FinetuneOptions, context: Context, out: Path
    ) -> None:
        from edgecls.models import lora, pretrained, weights
        from edgecls.train import fit, losses, produce, start

        fit.set_up(context.threads, context.seed)
        preprocess = context.data.preprocess
        net = start.fresh(options.arch, options, context)
        loaded = pretrained.load(net, weights.read(options.arch, options.weights), preprocess)
        context.progress.step(0, options.epochs, loaded.sentence())
        loaded.write(out)
        parts, adapters = parts_of(net, options), None
        if options.lora_rank:
            shape = (preprocess.channels, *preprocess.size)
            adapters = lora.attach(net, options.lora_rank, options.lora_alpha, shape)
        loss = losses.hard(options, context.data)
        curves = fit.fit(net, loss, options, context, parts, frozen_norms(options))
        if adapters is not None:
            adapters.merge()
        produce.save(out, net, options.arch, curves, self, options, parents, context)

    def arch(self, parents: Mapping[str, str], options: FinetuneOptions) -> str:
        return options.arch

    def plan(self, parents: Mapping[str, str], options: FinetuneOptions, work: Workload) -> float:
        """An upper bound: what is frozen needs no gradients. Raises UsageError for no weights."""
        from edgecls.models import weights
        from edgecls.train import estimate

        weights.check(options.arch, options.weights)
        return estimate.training_seconds(options.arch, options, work)


def parts_of(net: nn.Module, options: FinetuneOptions) -> list[Part]:
    """How the parameters of `net` learn; adapters decide that for themselves."""
    from edgecls.train import parts

    if options.lora_rank:
        return []
    depth = parts.groups(net)
    freeze = parts.frozen_groups(options.freeze, depth)
    return parts.plan(depth, freeze, options.unfreeze_every, options.layer_decay)


def frozen_norms(options: FinetuneOptions) -> bool:
    """Whether BatchNorm keeps the statistics of the pretraining."""
    if options.norms != "auto":
        return options.norms == "frozen"
    return options.freeze != "none" or options.unfreeze_every > 0 or options.lora_rank > 0


METHOD = Finetune()
