"""What a compressed model is against its source, as values: read and written as JSON.

All shares are fractions of 1. *Source* is the model that the other was made from; *lost* are
images that the source gets right and the other does not, *gained* the reverse.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from edgecls.errors import EdgeclsError


@dataclass(frozen=True)
class Attacked:
    """Accuracy on adversarial images. eps: in steps of 1/255; label: such as ``pgd-8``.

    clean: accuracy on the same images before. crafted_on: the model whose gradient was used;
    empty where it is this one's own (white box).
    """

    label: str
    eps: int
    steps: int
    num_images: int
    clean: float
    accuracy: float
    crafted_on: str = ""


@dataclass(frozen=True)
class Hardness:
    """How often a model is right on changed images. clean: on the same images, unchanged.

    corrupted: corruption -> its accuracy at each of the severities.
    """

    num_images: int
    clean: float
    severities: tuple[int, ...]
    corrupted: Mapping[str, tuple[float, ...]]
    attacks: tuple[Attacked, ...] = ()

    @property
    def mean_corrupted(self) -> float | None:
        """Over all corruptions and severities; None where there are none."""
        values = [value for row in self.corrupted.values() for value in row]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class Side:
    """One of the two models. ece: of its probabilities at its own temperature, on all images."""

    name: str
    top1: float
    ece: float
    temperature: float
    hardness: Hardness | None = None


@dataclass(frozen=True)
class Paired:
    """Both on the same images: how many each gets right, and what follows.

    difference: of accuracy, the model's minus its source's, with its 95 % interval. p_value:
    McNemar's, corrected for the number of comparisons that were made together (Holm).
    """

    both: int
    lost: int
    gained: int
    neither: int
    difference: float
    low: float
    high: float
    p_value: float

    @property
    def num_images(self) -> int:
        return self.both + self.lost + self.gained + self.neither


@dataclass(frozen=True)
class ClassChange:
    """One class (by its number): of its images, how many are newly wrong and newly right.

    p_value: McNemar's, corrected for the number of classes (Holm).
    """

    number: int
    images: int
    before: int
    lost: int
    gained: int
    p_value: float

    @property
    def change(self) -> float:
        """Of its recall."""
        return (self.gained - self.lost) / self.images if self.images else 0.0


@dataclass(frozen=True)
class Flip:
    """An image that is answered otherwise. picture: sha256 of the side file ``.png``.

    true, before, after: numbers of classes. sure_before, sure_after: the answers' probabilities.
    """

    file: str
    true: int
    before: int
    after: int
    sure_before: float
    sure_after: float
    picture: str

    @property
    def kind(self) -> str:
        """``lost``, ``gained`` or ``other``: wrong in both, with another answer."""
        if self.before == self.true:
            return "lost"
        return "gained" if self.after == self.true else "other"


@dataclass(frozen=True)
class Excess:
    """How much more the model loses on changed images than its source does, with a 95 % interval.

    A loss is the accuracy on the images unchanged minus that on the changed ones.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A model against its source. step: what lies between them, such as ``prune`` or ``int8``.

    flipped: how many answers differ. corrupted, attacked: None where it was not looked at, or
    where the attacks of the two are of different kinds.
    """

    model: Side
    source: Side
    step: str
    paired: Paired
    flipped: int
    classes: tuple[ClassChange, ...]
    flips: tuple[Flip, ...]
    corrupted: Excess | None = None
    attacked: Excess | None = None


@dataclass(frozen=True)
class Compared:
    """All comparisons that were made together.

    max_drop: the accuracy that a model may lose and is still said to keep it. max_excess: from
    which loss of robustness on there is a warning. constants: whose strengths of corruption.
    """

    comparisons: tuple[Comparison, ...]
    max_drop: float
    max_excess: float
    constants: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str | bytes) -> Compared:
        """Raises EdgeclsError for what is not of this form."""
        try:
            found: Compared = built(Compared, json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise EdgeclsError(f"no comparisons of models: {error}", "run it again") from error
        return found


def built(kind: Any, data: Any) -> Any:
    """`data`, as JSON gives it, as a value of `kind`: these dataclasses and what they hold.

    Raises TypeError, KeyError or ValueError for what is not of this form.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if data is None else built(inner[0], data)
    if origin is tuple:
        return tuple(built(inner[0], each) for each in data)
    if origin is Mapping:
        return {str(key): built(inner[1], value) for key, value in data.items()}
    if is_dataclass(kind):
        return _object(kind, data)
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise TypeError(f"{data!r:.40} is no {kind.__name__}")
    return data


def _object(kind: Any, data: Any) -> Any:
    known = {each.name: each for each in fields(kind)}
    needed = {name for name, each in known.items() if each.default is MISSING}
    if not isinstance(data, dict) or not needed <= set(data) <= set(known):
        raise TypeError(f"{data!r:.40} is no {kind.__name__}")
    hints = _hints(kind)
    return kind(**{name: built(hints[name], value) for name, value in data.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
