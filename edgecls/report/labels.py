"""Where the labels of a plot's points go, so that none lies on another or on a marker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Anchor = Literal["start", "middle", "end"]
# The mean advance and the height of the plot's 12-pixel type, in pixels, of the widest font that a
# browser may take for it; what needs a label is bold. And what two labels on a line keep apart.
CHARACTER, BOLD, HEIGHT, APART = 7.0, 1.1, 14.0, 4.0
_REACH, _WIDE_REACH = 7.0, 13.0


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def holds(self, other: Box) -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )


@dataclass(frozen=True)
class Wish:
    """A label that a point wants. needed: it is placed even where it must lie on something."""

    text: str
    x: float
    y: float
    needed: bool = False


@dataclass(frozen=True)
class Place:
    """Where a label's baseline is."""

    x: float
    y: float
    anchor: Anchor


def along(x1: float, y1: float, x2: float, y2: float) -> Box:
    """The box of a level or upright line."""
    return Box(min(x1, x2) - 1, min(y1, y2) - 1, max(x1, x2) + 1, max(y1, y2) + 1)


def around(x: float, y: float, radius: float) -> Box:
    """A marker's box."""
    return Box(x - radius, y - radius, x + radius, y + radius)


def place(
    wishes: Sequence[Wish], solid: Sequence[Box], lines: Sequence[Box], frame: Box
) -> list[Place | None]:
    """A place for each label, None where there is no free one; the first wishes come first.

    solid: what no label may cover. lines: what it had better not cover.
    """
    taken = list(solid)
    found: list[Place | None] = []
    for wish in wishes:
        options = [
            (_covered(box, taken), _covered(box, lines), order, spot, box)
            for order, (spot, box) in enumerate(_options(wish))
            if frame.holds(box)
        ]
        best = min(options, key=lambda option: option[:3], default=None)
        if best is None or (best[0] > 0 and not wish.needed):
            found.append(None)
            continue
        taken.append(best[4])
        found.append(best[3])
    return found


def _covered(box: Box, others: Sequence[Box]) -> float:
    return sum(box.overlap(other) for other in others)


def _options(wish: Wish) -> Iterator[tuple[Place, Box]]:
    """Right, left, above, below and the corners, near and then a line further."""
    width = CHARACTER * len(wish.text) * (BOLD if wish.needed else 1.0)
    # What needs a label has a ring around its marker.
    reach = _WIDE_REACH if wish.needed else _REACH
    for far in (0.0, HEIGHT):
        for across, up in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            if far and not up:
                continue
            anchor: Anchor = "start" if across > 0 else "end" if across < 0 else "middle"
            x = wish.x + across * (reach + 2)
            middle = wish.y - up * (reach + HEIGHT / 2 + far)
            left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
            right = left + width
            box = Box(left - APART / 2, middle - HEIGHT / 2, right + APART / 2, middle + HEIGHT / 2)
            yield Place(x, middle + 4, anchor), box
