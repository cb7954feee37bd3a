"""The values that pass between the parts, and the seams at which parts are exchanged.

Values are frozen; behaviour is elsewhere. `Measurement` is the only schema of results. Arrays are
numpy's: images ``uint8[N, H, W, C]``, logits ``float32[N, K]``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from edgecls.device.preprocess import Preprocess
from edgecls.errors import EdgeclsError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import nn

Logits = NDArray[np.float32]
Classes = NDArray[np.int64]
Status = Literal["ok", "skipped", "failed"]
Precision = Literal["fp32", "fp16", "bf16", "int8", "int8-dynamic", "int8-weights"]
# Where the range of a quantized activation comes from; see `Remedies`.
Ranges = Literal["minmax", "mean", "percentile", "entropy", "histogram"]
Correction = Literal["none", "fast", "full"]
# How many images a model takes at once; "dynamic" is any number.
Batch = int | Literal["dynamic"]
SCHEMA_VERSION = 1
# What makes a row's latency doubtful. throttled: the clock was held down. drift: it changed from
# the first rounds to the last. co-load: other processes had a part of the cores. steal: the host
# of a virtual machine did. slowed: the same arithmetic took longer in some rounds than in others.
# unsettled: it had not become stable when the measurement began. overloaded: a server got queries
# faster than it answered them.
FLAGS = ("throttled", "drift", "co-load", "steal", "slowed", "unsettled", "overloaded")


@dataclass(frozen=True)
class Outcome:
    """How one step of a row ended; a step that is not ``ok`` says why, and what mends it."""

    status: Status
    reason: str = ""
    fix: str = ""


DONE = Outcome("ok")


@dataclass(frozen=True)
class Availability:
    """What this machine can do for a target, each apart."""

    convert: Outcome
    compile: Outcome
    run: Outcome


@dataclass(frozen=True)
class Hardware:
    """The machine that a model is converted for or measured on.

    features: the instruction sets that matter to a choice, such as ``avx2`` or ``avx512_vnni``.
    cores: 0 where a kind of machine leaves that open. profile: the name of that kind, ``here`` for
    the machine at hand. accelerator: what it has beside its CPU; compute_capabilities: of an NVIDIA
    GPU, such as ``8.7``. versions: of what is installed there, as ranges.
    """

    name: str
    machine: str
    features: tuple[str, ...] = ()
    cores: int = 1
    profile: str = "here"
    accelerator: str = ""
    compute_capabilities: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_arm(self) -> bool:
        return self.machine in ("aarch64", "arm64")

    def to_json(self) -> dict[str, Any]:
        lists = {"features", "compute_capabilities"}
        return {k: list(v) if k in lists else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Scheme:
    """How a graph is quantized to int8: weights are always symmetric int8.

    reduce_range: weights use 7 bits, because AVX2's VPMADDUBSW saturates on 8 (no VNNI).
    """

    activation: Literal["uint8", "int8"]
    symmetric_activations: bool
    per_channel: bool = True
    reduce_range: bool = False
    reason: str = ""

    @property
    def name(self) -> str:
        """Short form: u8s8 or s8s8, ``-pc`` per channel, ``-rr`` reduced range."""
        short = "u8s8" if self.activation == "uint8" else "s8s8"
        return short + ("-pc" if self.per_channel else "") + ("-rr" if self.reduce_range else "")

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, **asdict(self)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Scheme:
        return Scheme(**{key: value for key, value in data.items() if key != "name"})


@dataclass(frozen=True)
class Remedies:
    """What is done against the accuracy that int8 costs. None of them costs time on the device.

    ranges: of the activations over the calibration images: their extremes (``minmax``), the mean
    of every image's extremes, the `percentile` (in percent) on either side, the range of least
    divergence (``entropy``) or of least squared error (``histogram``).
    bias_correction: evens out the mean error of every layer's channels: ``fast`` each layer on its
    own, ``full`` one after the other, with what is quantized before it (Nagel et al. 2019).
    equalise: channels of neighbouring convolutions get equal ranges (the same paper).
    smooth_quant: alpha of SmoothQuant, where the target's tool has it (None: off).
    float_layers: names of layers that are not quantized; these do cost time on the device.
    """

    ranges: Ranges = "minmax"
    percentile: float = 99.99
    bias_correction: Correction = "none"
    equalise: bool = False
    smooth_quant: float | None = None
    float_layers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "float_layers": list(self.float_layers)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Remedies:
        return Remedies(**{**data, "float_layers": tuple(data["float_layers"])})


@dataclass(frozen=True)
class Rung:
    """A step of the ladder that `--max-drop` climbs. reason: why it may help where others fail."""

    name: str
    remedies: Remedies
    reason: str


@dataclass(frozen=True)
class Placement:
    """Where the Q/DQ pairs of a target's int8 graph stand.

    op_types: the operators that are quantized (empty: all that can be). fused: their outputs stay
    in float, because the runtime fuses what follows. bias: whether biases are quantized to int32.
    shortcuts: whether an addition reads the int8 form of a tensor that its branch reads in int8.
    """

    op_types: tuple[str, ...] = ()
    fused: tuple[str, ...] = ()
    bias: bool = True
    shortcuts: bool = False


class Variants(Protocol):
    """A target's own int8 graph, run here with some of its layers in float. told: where it runs."""

    told: str

    def quantizes(self, node: str) -> bool:
        """Whether a node of the canonical graph reads anything in int8."""

    def without(self, nodes: Sequence[str], images: Images) -> Logits:
        """The answers with those nodes in float."""

    def alone(self, node: str, images: Images) -> Logits:
        """The answers with all but that node in float."""


@dataclass(frozen=True)
class Quantizing:
    """How a target's int8 is made. remedies: unless others are asked for; ladder: cheapest first.

    placement: of its graph, or of the graph in ONNX Runtime that stands for it in a diagnosis.
    variants: of its own graph (canonical graph, scheme, calibration images, remedies), where a
    graph in ONNX Runtime would not break as it does. smooth_quant: whether its tool has that.
    """

    remedies: Remedies
    ladder: tuple[Rung, ...]
    placement: Placement = Placement()
    variants: Callable[[Path, Scheme, Images, Remedies], Variants] | None = None
    smooth_quant: bool = False


class Images(Protocol):
    """``uint8[N, H, W, C]``: an array, or a split that is decoded when it is indexed.

    Indexed along the first axis, by a number, a slice or an array of numbers, it gives an array.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[np.uint8]: ...

    @property
    def nbytes(self) -> int: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __getitem__(self, key: Any, /) -> NDArray[np.uint8]: ...

    def __array__(self) -> NDArray[np.uint8]: ...


class Source(Protocol):
    """A trained net, exported once for all targets."""

    @property
    def preprocess(self) -> Preprocess: ...

    @property
    def num_classes(self) -> int: ...

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's folder."""
        ...

    def onnx(self) -> Path:
        """The canonical graph: uint8[N, H, W, C] ``image`` in, float32[N, K] ``logits`` out.

        Normalisation inside, batch dynamic, opset 18, IR 9.
        """
        ...

    def quantized(self, scheme: Scheme) -> Path | None:
        """The QDQ graph of a net that was trained for int8, written for `scheme`.

        None for a net in float, which a target quantizes itself. Otherwise as `onnx`.
        """
        ...

    def module(self) -> nn.Module:
        """What `onnx` is exported from: where a target that takes no ONNX starts ``torch.export``.

        The net in evaluation mode and fp32, uint8[N, H, W, C] in, float32[N, K] out, normalisation
        inside. It belongs to the source: nobody changes it. Raises ConversionError as `onnx` does.
        """
        ...

    def quantized_module(self, scheme: Scheme) -> nn.Module | None:
        """`quantized` for a target that takes no ONNX: see `edgecls.models.quantized.integers`.

        None for a net in float, which a target quantizes itself.
        """
        ...

    def logits(self, images: Images) -> Logits:
        """The net's own answer in PyTorch, fp32."""
        ...


@dataclass(frozen=True)
class Purpose:
    """What a bundle is for. profile: the machine's name (None: the target's own kind, or this one).

    batch: how many images the model takes at once.
    """

    profile: str | None = None
    batch: Batch = 1


@dataclass(frozen=True)
class Request:
    """What to convert to. calibration: uint8[N, H, W, C], needed where there is a scheme.

    remedies: against what int8 costs; None are the target's own. batch: "dynamic" reaches only a
    target that says ``dynamic_batch``.
    """

    precision: Precision
    hardware: Hardware
    scheme: Scheme | None = None
    calibration: Images | None = None
    batch: Batch = 1
    remedies: Remedies | None = None


@dataclass(frozen=True)
class Artifact:
    """What a conversion gave: files in `folder`, the first of which is the one to load.

    compiled: how the compilation ahead of time ended, ``skipped`` where the device does it.
    size_files: which files count as the model's size (default: all).
    """

    target: str
    precision: Precision
    folder: Path
    files: tuple[str, ...]
    compiled: Outcome
    scheme: Scheme | None = None
    size_files: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """All files that the runtime reads."""
        names = self.size_files or self.files
        return sum((self.folder / name).stat().st_size for name in names)


class Target(Protocol):
    """One runtime to ship to: one file in ``edgecls/targets`` and one kit in ``export``.

    name: on the command line. requirements: pip lines of the device. host_only: a reference that
    is measured here and never shipped. version: raised when its conversion changes. quantizing:
    how its int8 is made, None where it has none. hardware: the profile that it converts for unless
    another is asked for, None where that is this machine; dynamic_batch: whether it takes any
    number of images at once; overflow_free: types of activations whose products with weights of 8
    bits overflow on no CPU; runs: why this machine does not compute in a precision that the target
    has elsewhere (these four may be left out: None, no, none and always).
    """

    name: str
    title: str
    version: int
    precisions: tuple[Precision, ...]
    kit: str
    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    host_only: bool
    quantizing: Quantizing | None
    hardware: str | None
    dynamic_batch: bool
    overflow_free: tuple[str, ...]

    def availability(self) -> Availability: ...

    def scheme(self, hardware: Hardware) -> Scheme:
        """The int8 scheme that this runtime wants on that hardware."""
        ...

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        """Write the runtime's files into the empty folder `out`. Raises ConversionError."""
        ...

    def snippet(self, model_file: str) -> str:
        """A few lines of native code for the model card."""
        ...

    def runs(self, precision: Precision) -> Outcome: ...


class Progress(Protocol):
    """Where a long step says how far it is."""

    def step(self, done: int, total: int, note: str = "") -> None: ...


class SilentProgress:
    """For library use and tests."""

    def step(self, done: int, total: int, note: str = "") -> None:
        return None


@dataclass(frozen=True)
class Dataset:
    """Preprocessed splits: name -> (images uint8[N, H, W, C], classes int64[N]).

    seed: what the splits were drawn with.
    """

    labels: tuple[str, ...]
    preprocess: Preprocess
    splits: Mapping[str, tuple[Images, Classes]]
    fingerprint: str
    golden: tuple[bytes, ...] = ()
    seed: int = 0

    def __getitem__(self, split: str) -> tuple[Images, Classes]:
        return self.splits[split]


@dataclass(frozen=True)
class Workload:
    """What a method will work on, known before any image is decoded: for its time estimate."""

    num_images: int
    num_classes: int
    preprocess: Preprocess
    threads: int = 0


def unlogged(figures: Mapping[str, float]) -> None:
    """Where nobody follows the epochs."""


@dataclass(frozen=True)
class Latency:
    """p50s in milliseconds of a net and of another, measured in turn on one machine.

    ratio: the net's share of the other's, the median over pairs of rounds that follow each other:
    what drifts with the machine, or slows it for a while, cancels out.
    """

    ms: float
    beside_ms: float
    ratio: float


class Cost(Protocol):
    """What a checkpoint costs on a target, measured beside another checkpoint."""

    def __call__(self, checkpoint: Path, beside: Path, target: str, precision: str) -> Latency:
        """Both are converted to that target and precision. Raises EdgeclsError."""
        ...


@dataclass(frozen=True)
class Context:
    """What a method works with. workdir: its own, kept after a kill, so that it can resume.

    device: where it trains, as torch names it. log: told the figures of every epoch.
    shared: the folder that is kept, for other stages too, under the hash of what it depends on.
    cost: measures a checkpoint on a target; injected, so that a method can aim at a latency
    without knowing a target.
    """

    data: Dataset
    seed: int
    workdir: Path
    progress: Progress = field(default_factory=SilentProgress)
    threads: int = 0
    device: str = "cpu"
    log: Callable[[Mapping[str, float]], None] = unlogged
    shared: Callable[[Mapping[str, Any]], Path] | None = None
    cost: Cost | None = None


class Method(Protocol):
    """One way to make a checkpoint: one file in ``edgecls/methods``.

    Options: its recipe section and its command's flags follow from this pydantic model.
    parents: which options name other checkpoints; the first is the one that is changed. Where an
    option names several, `apply` gets them as ``teacher``, ``teacher.1``, ``teacher.2`` …
    """

    name: str
    version: int
    summary: str
    Options: ClassVar[type[BaseModel]]
    parents: tuple[str, ...]
    packages: tuple[str, ...]

    def apply(self, parents: Mapping[str, Path], options: Any, context: Context, out: Path) -> None:
        """Write a checkpoint into the empty folder `out`; leaves its parents alone."""
        ...

    def arch(self, parents: Mapping[str, str], options: Any) -> str:
        """The architecture of the result; parents: option -> architecture."""
        ...

    def plan(self, parents: Mapping[str, str], options: Any, work: Workload) -> float:
        """The estimated seconds of `apply` on this machine; parents: option -> architecture."""
        ...


@dataclass(frozen=True)
class Measurement:
    """One row of results.jsonl. Accuracies are fractions of 1; None is 'not measured'.

    scheme: the int8 scheme's name; scheme_reason: why that one. made_for: the profile of the
    machine that it was converted for, empty for the one that converted it. size_bytes: all files
    that the runtime reads.
    max_rel_logit_diff: largest difference from the source's logits over their standard deviation.
    top1_agreement: with the source, on test. p_value: McNemar's, of this row against the run's
    reference model on the same test images, corrected for the number of rows (Holm).
    latency_p50_low, latency_p50_high: where the median of another measurement of the same kind is
    expected, at 95 %. latency_p_value: of the difference in latency from the quickest row on the
    same device, paired round by round, corrected for the number of rows (Holm).
    scenario: what its queries were, see `edgecls.device.scenarios`; qps: the rate of a server's.
    memory_bytes: the peak of the process less what it took before the runtime was loaded, where
    rss_bytes is that peak. energy_mj: millijoules a query, of the whole package or board.
    flags: what makes its figures doubtful, of `FLAGS`.
    files: sha256 of side files of the run (``predictions``, ``latencies``, ``operators`` …).
    """

    model: str
    target: str
    precision: str
    converted: Status
    compiled: Status
    measured: Status
    scheme: str | None = None
    scheme_reason: str = ""
    made_for: str = ""
    reason: str = ""
    fix: str = ""
    recommended: bool = False
    val_top1: float | None = None
    val_top1_low: float | None = None
    val_top1_high: float | None = None
    top1: float | None = None
    top1_low: float | None = None
    top1_high: float | None = None
    num_images: int | None = None
    scenario: str = "single-stream"
    qps: float | None = None
    latency_p50_ms: float | None = None
    latency_p50_low: float | None = None
    latency_p50_high: float | None = None
    latency_p90_ms: float | None = None
    latency_p99_ms: float | None = None
    latency_p90_ms_bound: float | None = None
    latency_p99_ms_bound: float | None = None
    latency_p_value: float | None = None
    end_to_end_p50_ms: float | None = None
    decode_p50_ms: float | None = None
    preprocess_p50_ms: float | None = None
    postprocess_p50_ms: float | None = None
    num_queries: int | None = None
    first_inference_ms: float | None = None
    load_ms: float | None = None
    throughput_per_s: float | None = None
    size_bytes: int | None = None
    rss_bytes: int | None = None
    memory_bytes: int | None = None
    energy_mj: float | None = None
    flags: tuple[str, ...] = ()
    threads: int | None = None
    batch_size: int | None = None
    max_rel_logit_diff: float | None = None
    top1_agreement: float | None = None
    p_value: float | None = None
    macs: int | None = None
    num_params: int | None = None
    bundle: str | None = None
    bundle_sha256: str | None = None
    device: str = "host"
    environment: Mapping[str, Any] = field(default_factory=dict)
    protocol: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def name(self) -> str:
        return f"{self.model} · {self.target} · {self.precision}"

    def with_(self, **changes: Any) -> Measurement:
        return replace(self, **changes)

    def to_json(self) -> str:
        """One line of JSON; escapes carry names that are not UTF-8."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(line: str) -> Measurement:
        """The row of one line. Raises EdgeclsError for another schema."""
        try:
            data = json.loads(line)
        except ValueError as error:
            raise EdgeclsError(f"not a line of results.jsonl: {line[:80]!r}", _ROWS) from error
        if not isinstance(data, dict) or "schema_version" not in data:
            raise EdgeclsError(f"not a row of results: {line[:80]!r}", _ROWS)
        version = data["schema_version"]
        if version != SCHEMA_VERSION:
            raise EdgeclsError(
                f"results of schema_version {version!r}, this edgecls reads {SCHEMA_VERSION}",
                "run it again with this version",
            )
        known = {f.name: f for f in fields(Measurement)}
        missing = [
            name
            for name, f in known.items()
            if name not in data and f.default is MISSING and f.default_factory is MISSING
        ]
        wrong = {"lacks": missing, "has unknown": sorted(set(data) - set(known))}
        if any(wrong.values()):
            told = " and ".join(f"{what} {names}" for what, names in wrong.items() if names)
            raise EdgeclsError(f"a results row {told}", "run it again with this version")
        wrong_value = _wrong(data)
        if wrong_value:
            raise EdgeclsError(wrong_value, "run it again")
        return Measurement(**{**data, "flags": tuple(data.get("flags", ()))})


def read_results(path: Path) -> list[Measurement]:
    """Every row of a results.jsonl. Raises EdgeclsError that names the file and the line.

    A row that tells what none can have is refused, for a choice is made by it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise EdgeclsError(f"{path} is not a file of rows: it is not text", _ROWS) from error
    rows, seen = [], dict[str, int]()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        before = seen.setdefault(line, number)
        if before != number:
            raise EdgeclsError(f"{path}: line {number} is line {before} again", "run it again")
        try:
            rows.append(Measurement.from_json(line))
        except EdgeclsError as error:
            raise EdgeclsError(f"{path}: line {number}: {error.cause}", error.fix) from error
    return rows


_ROWS = "give a run's folder, or a file of rows as edgecls bench --out writes it"
# Beyond it is no figure of anything; shares are at most 1.
_MOST = 1e15
_SHARES = re.compile(r"(val_)?top1(_low|_high)?|top1_agreement|(latency_)?p_value")
# A conversion that failed may differ by anything.
_ANYTHING = ("max_rel_logit_diff",)


def _wrong(data: Mapping[str, Any]) -> str:
    """Which field of a row holds what it cannot; empty where all are right."""
    for f in fields(Measurement):
        value = data.get(f.name, f.default)
        if f.name not in data or f.name in _ANYTHING:
            continue
        if not _FITS[str(f.type)](value) or (
            _SHARES.fullmatch(f.name) and value is not None and value > 1
        ):
            return f"{f.name} is {value!r:.60}"
    return ""


def _is_figure(value: object) -> bool:
    """Whether it is a number from 0 that something can have. NaN is in no order."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= _MOST  # type: ignore[operator]


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


# A field's annotation -> whether a value that was read is of it.
_FITS: Mapping[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "str | None": lambda value: value is None or isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": _is_figure,
    "int | None": lambda value: value is None or _is_figure(value),
    "float | None": lambda value: value is None or _is_figure(value),
    "Status": lambda value: isinstance(value, str) and value in get_args(Status),
    "tuple[str, ...]": lambda value: isinstance(value, list) and _are_texts(value),
    "Mapping[str, Any]": lambda value: isinstance(value, dict),
    "Mapping[str, str]": lambda value: isinstance(value, dict),
}


def write_results(path: Path, rows: Sequence[Measurement]) -> None:
    """Write results.jsonl beside and rename it into place."""
    beside = path.with_suffix(".part")
    beside.write_text("".join(row.to_json() + "\n" for row in rows), encoding="utf-8")
    beside.replace(path)
