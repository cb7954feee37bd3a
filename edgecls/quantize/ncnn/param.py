"""ncnn's ``.param``: a line a layer, with its name, its blobs and its numbered values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecls.errors import ConversionError

MAGIC = "7767517"
INPUT, OUTPUT = "in0", "out0"
# Of the values of the layers with weights.
OUTPUTS, BIASED, SIZE, GROUPS, INT8 = 0, 5, 6, 7, 8
PRODUCT_BIASED, PRODUCT_SIZE = 1, 2


@dataclass(frozen=True)
class Layer:
    """values: number -> as it is written; a list has the number -23300 - n."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    values: Mapping[int, str]

    def whole(self, key: int, otherwise: int = 0) -> int:
        return int(self.values.get(key, otherwise))

    def line(self) -> str:
        values = " ".join(f"{key}={value}" for key, value in self.values.items())
        counts = f"{len(self.inputs)} {len(self.outputs)}"
        blobs = " ".join((*self.inputs, *self.outputs))
        return f"{self.kind:<24} {self.name:<24} {counts} {blobs} {values}".rstrip()


def read(text: str) -> tuple[Layer, ...]:
    """The layers of a ``.param``, in the order of their weights. Raises ConversionError."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        if lines[0].strip() != MAGIC:
            raise ValueError(lines[0])
        return tuple(_layer(line) for line in lines[2:])
    except (ValueError, IndexError) as error:
        raise ConversionError(
            f"pnnx wrote a .param that cannot be read: {error}", "install another pnnx"
        ) from error


def _layer(line: str) -> Layer:
    kind, name, *rest = line.split()
    given, made = int(rest[0]), int(rest[1])
    blobs, values = rest[2 : 2 + given + made], rest[2 + given + made :]
    pairs = (value.partition("=") for value in values)
    return Layer(
        kind,
        name,
        tuple(blobs[:given]),
        tuple(blobs[given:]),
        {int(key): value for key, _, value in pairs},
    )


def text(layers: Sequence[Layer]) -> str:
    """The ``.param`` of those layers."""
    blobs = sum(len(layer.outputs) for layer in layers)
    lines = [MAGIC, f"{len(layers)} {blobs}", *(layer.line() for layer in layers)]
    return "\n".join(lines) + "\n"


def histogram(layers: Sequence[Layer]) -> dict[str, int]:
    """Kind -> how many; a layer in int8 counts as ``Kind (int8)``."""
    kinds = [f"{each.kind} (int8)" if each.whole(INT8) else each.kind for each in layers]
    return dict(sorted(Counter(kinds).items()))
