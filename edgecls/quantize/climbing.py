"""A climb of the ladder: every step, what it cost, and where it ended. Values and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from edgecls.errors import EdgeclsError
from edgecls.quantize.diagnosis import Diagnosis

FORMAT = 1
Kind = Literal["rung", "float", "training"]


@dataclass(frozen=True)
class Step:
    """One int8 model, judged on validation. top1 and its 95 % interval are fractions of 1.

    kind: a rung of the ladder, a layer more in float, or a training. error: why there is no model.
    seconds: of converting and judging it, when it was computed.
    """

    kind: Kind
    name: str
    reason: str
    remedies: Mapping[str, Any]
    seconds: float
    top1: float | None = None
    low: float | None = None
    high: float | None = None
    drop: float | None = None
    error: str = ""

    def holds(self, max_drop: float) -> bool:
        """Whether the bound holds; rounding is no reason that it should not."""
        return self.drop is not None and self.drop <= max_drop + 1e-9


def below(drop: float) -> str:
    """A difference of accuracies as it is said; int8 may be the better one by chance."""
    return f"{100 * abs(drop):.2f} points {'below' if drop >= 0 else 'above'}"


@dataclass(frozen=True)
class Climb:
    """max_drop, reference_top1: fractions of 1; the reference is the same target's fp32.

    judged: how the steps were run. chosen: the index of the step that is shipped, the first that
    holds the bound or else the best. diagnosis: where layers went to float, what named them.
    seconds: the diagnosis included; num_evaluations: of the validation images, by a whole model.
    """

    target: str
    max_drop: float
    reference: str
    reference_top1: float
    num_images: int
    judged: str
    steps: tuple[Step, ...]
    chosen: int
    seconds: float
    num_evaluations: int
    diagnosis: Diagnosis | None = None
    format: int = FORMAT

    @property
    def step(self) -> Step:
        return self.steps[self.chosen]

    @property
    def met(self) -> bool:
        """Whether the bound holds where the climb ended."""
        return self.step.holds(self.max_drop)

    @property
    def verdict(self) -> str:
        """One sentence."""
        end = f"{self.step.name}: {below(self.step.drop or 0.0)} {self.reference} on validation"
        bound = f"{100 * self.max_drop:g} points"
        if self.met:
            return f"{end}, within the {bound} that are allowed"
        return f"{end}: no step holds the {bound} that are allowed, this is the best one"

    def summary(self) -> dict[str, Any]:
        """What the bundle itself says of it."""
        return {
            "max_drop": self.max_drop,
            "met": self.met,
            "drop": self.step.drop,
            "reference": self.reference,
            "reference_top1": self.reference_top1,
            "num_images": self.num_images,
            "seconds": self.seconds,
            "num_evaluations": self.num_evaluations,
            "steps": [{"name": s.name, "top1": s.top1, "drop": s.drop} for s in self.steps],
        }

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @staticmethod
    def from_json(text: str | bytes) -> Climb:
        """Raises EdgeclsError for a file of another format."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise KeyError("format")
            data["steps"] = tuple(Step(**step) for step in data["steps"])
            if data["diagnosis"] is not None:
                data["diagnosis"] = Diagnosis.from_json(data["diagnosis"])
            return Climb(**data)
        except (ValueError, KeyError, TypeError) as error:
            raise EdgeclsError(f"a climb of another format: {error}", "run it again") from error
