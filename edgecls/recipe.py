"""The user's TOML: read, merged with ``--set``, validated; every mistake gets its nearest cure."""

from __future__ import annotations

import difflib
import reprlib
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from edgecls.errors import UsageError

NAME_PATTERN = r"^\w[\w.-]*$"
NAMES = "begins with a letter, a digit or _, and goes on with these, dots and hyphens"
DIGITS = "digits"

Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
# What `robustness.corruptions` can do, which this module cannot import.
Corruption = Literal[
    "gaussian-noise",
    "shot-noise",
    "impulse-noise",
    "gaussian-blur",
    "defocus-blur",
    "motion-blur",
    "brightness",
    "contrast",
    "jpeg",
    "pixelate",
]
# What `hardware.profile` knows, which this module cannot import.
Machine = Literal["here", "arm64", "x86-vnni", "x86-avx2", "jetson-orin", "jetson-thor", "rtx"]
# Names of folders in the run's folder.
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Section(BaseModel):
    """A table of the recipe: frozen, without unknown keys, its numbers finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSection(Section):
    path: str = Field(
        DIGITS, description="a folder with one folder a class, a manifest.csv, torchvision:NAME, …"
    )
    size: int | None = Field(None, ge=8, le=1024, description="input side in pixels (chosen)")
    mode: Literal["auto", "RGB", "L"] = Field("auto", description="colour or grayscale input")
    resize: Literal["auto", "stretch", "shortest", "pad"] = Field(
        "auto", description="how an image becomes a square"
    )
    validation: Fraction = Field(0.15, description="share of the images for choices")
    test: Fraction = Field(0.2, description="share of the images for the one final score")
    seed: int | None = Field(
        None, ge=0, lt=1 << 31, description="of the drawn splits (the recipe's seed)"
    )
    calibration: Positive = Field(300, description="training images that int8 ranges come from")
    cache_gb: float = Field(
        16.0, gt=0, description="of decoded images on disk, in GB; larger splits are streamed"
    )
    leaks: Literal["error", "drop"] = Field(
        "error", description="an image that stands in two given splits: stop, or drop it"
    )


class ExportSection(Section):
    profile: Machine | None = Field(
        None,
        alias="for",
        description=f"the machine to convert for: {', '.join(get_args(Machine))} (here; mobile "
        "targets: arm64)",
    )
    targets: list[str] = Field(
        default=["torch", "onnxruntime", "openvino", "tensorrt", "tensorrt-rtx"],
        min_length=1,
        description="runtimes to convert to",
    )
    precisions: list[Literal["fp32", "fp16", "bf16", "int8", "int8-dynamic", "int8-weights"]] = (
        Field(
            default=["fp32", "fp16", "int8"],
            min_length=1,
            description="of these, those that a target has",
        )
    )


class QuantizeSection(Section):
    max_drop: float | None = Field(
        None,
        ge=0,
        le=1,
        description="climb the ladder until int8 loses no more (0.005: half a point)",
    )
    qat: bool = Field(True, description="the last step of the climb is training for int8")
    ranges: Literal["minmax", "mean", "percentile", "entropy", "histogram"] | None = Field(
        None, description="of the activations (the target's own choice)"
    )
    percentile: float | None = Field(
        None, gt=50, lt=100, description="of the ranges called percentile, in percent (99.99)"
    )
    bias_correction: Literal["none", "fast", "full"] | None = Field(
        None, description="none, fast or full (the target's own choice)"
    )
    equalise: bool | None = Field(None, description="even out neighbouring layers' channels")
    smooth_quant: float | None = Field(
        None, ge=0, le=1, description="alpha of SmoothQuant, where the target has it"
    )
    float_layers: list[str] = Field([], description="layers that stay in float")


class BenchSection(Section):
    """Of the rows of a run, which are measured in a single stream."""

    threads: Positive = Field(1, le=1024, description="CPU threads of every row")
    mode: Literal["short", "quick", "full"] = Field(
        "short", description="short: 0.8 s and 700 queries a row; MLPerf's: quick 10 s, full 600 s"
    )
    launches: Positive = Field(5, description="process launches of every row")
    rounds: Positive = Field(4, description="interleaved rounds in each launch")
    queries: Positive | None = Field(
        None, description="fewest queries of a row, over all rounds (the mode's)"
    )
    seconds: float | None = Field(
        None, ge=0, description="shortest measured time of a row, in seconds (the mode's)"
    )


class BudgetSection(Section):
    max_drop: float = Field(0.01, ge=0, le=1, description="of accuracy below the reference model")
    max_latency_ms: float | None = Field(None, gt=0, description="limit of the p90")
    max_size_bytes: int | None = Field(None, gt=0, description="limit of the model's files")


class RobustnessSection(Section):
    enabled: bool = Field(
        True, description="whether compressed models and their sources answer changed images"
    )
    images: Positive = Field(200, description="test images that are corrupted, at most")
    corruptions: list[Corruption] = Field(
        default=[
            *("gaussian-noise", "defocus-blur", "brightness", "contrast", "jpeg", "pixelate"),
        ],
        description=f"of: {', '.join(get_args(Corruption))}",
    )
    severities: list[Annotated[int, Field(ge=1, le=5)]] = Field(
        default=[1, 2, 3, 4, 5], min_length=1, description="of each corruption: 1 weak to 5 strong"
    )
    attacks: list[Literal["fgsm", "pgd"]] = Field(
        default=["fgsm", "pgd"], description="by the gradient of each checkpoint"
    )
    attacked: Positive = Field(100, description="of these images, those that are attacked")
    eps: list[Annotated[int, Field(ge=1, le=255)]] = Field(
        default=[2, 8],
        min_length=1,
        description="largest change of a pixel by an attack, in steps of 1/255",
    )
    steps: Positive = Field(7, le=1000, description="of pgd")
    max_excess: float = Field(
        0.02,
        ge=0,
        le=1,
        description="warn where a model loses so much more accuracy on them than its source does",
    )
    rows: Literal["compressed", "all"] = Field(
        "compressed", description="bundles that are scored: those below fp32, or all"
    )


class Recipe(Section):
    """A whole recipe. models: name -> {method, …}; each method's options are its own."""

    name: Name = Field("demo", description="the run's folder is runs/<name>")
    seed: int = Field(0, ge=0, lt=1 << 31, description="of every draw: splits, weights, batches")
    threads: int = Field(0, ge=0, le=1024, description="CPU threads of training (0: every core)")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="where training runs: auto, cpu, cuda, cuda:1 or mps",
    )
    tensorboard: str | None = Field(
        None, description="a folder for TensorBoard's files, one folder a model in it"
    )
    data: DataSection = DataSection()
    models: dict[Name, dict[str, JsonValue]] = {}
    ship: str | None = Field(None, description="the model to export (the last one)")
    reference: str | None = Field(None, description="the model to compare with (the first one)")
    export: ExportSection = ExportSection()
    quantize: QuantizeSection = QuantizeSection()
    bench: BenchSection = BenchSection()
    budget: BudgetSection = BudgetSection()
    robustness: RobustnessSection = RobustnessSection()


ModelT = TypeVar("ModelT", bound=BaseModel)


def validated(kind: type[ModelT], data: Mapping[str, Any], where: str = "") -> ModelT:
    """`data` as a pydantic model. Raises UsageError that names each mistake and its cure."""
    try:
        return kind.model_validate(dict(data))
    except ValidationError as error:
        problems = [_sentence(kind, where, dict(detail)) for detail in error.errors()]
        raise UsageError(
            "; ".join(p for p, _ in problems), "; ".join(f for _, f in problems if f)
        ) from error


# What pydantic adds to a key that may be of one type or another.
_BRANCHES = ("bool", "int", "float", "str", "none")


def _sentence(kind: type[BaseModel], where: str, detail: dict[str, Any]) -> tuple[str, str]:
    """(cause, fix) of one of pydantic's errors."""
    path = [str(part) for part in detail["loc"] if part != "[key]"]
    if len(path) > 1 and path[-1] in _BRANCHES:
        path.pop()
    dotted = ".".join([where, *path] if where else path)
    if detail["type"] == "string_pattern_mismatch" and detail["ctx"]["pattern"] == NAME_PATTERN:
        what = "a model's name" if "[key]" in detail["loc"] else dotted
        return f"{what} is {reprlib.repr(detail['input'])}", f"a name {NAMES}"
    field = kind.model_fields.get(path[0]) if len(path) == 1 else None
    about = field.description if field else None
    if detail["type"] == "missing":
        return f"{dotted} is missing", f"set it: {about}" if about else "set it"
    if detail["type"] == "value_error":  # a rule of ours: its cause and, behind a colon, its cure
        cause, _, cure = str(detail["msg"]).removeprefix("Value error, ").partition(": ")
        return f"{dotted}: {cause}" if dotted else cause, cure
    if detail["type"] != "extra_forbidden":
        message = str(detail["msg"]).removeprefix("Input ").removeprefix("String ")
        if detail["type"] == "string_pattern_mismatch" and about:
            message += f" ({about})"
        return f"{dotted} is {reprlib.repr(detail['input'])}", f"{dotted} {message}"
    valid = sorted(_fields_at(kind, path[:-1]))
    near = difflib.get_close_matches(path[-1], valid, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown key {dotted!r}", f"{hint}valid: {', '.join(valid)}"


def _fields_at(kind: type[BaseModel], path: Sequence[str]) -> set[str]:
    for part in path:
        inner = kind.model_fields[part].annotation if part in kind.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return set()
        kind = inner
    return {field.alias or name for name, field in kind.model_fields.items()}


def load(path: Path | None, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The raw tables of a recipe file, with ``key=value`` overrides merged in."""
    data: dict[str, Any] = {}
    if path is not None:
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UsageError(
                f"there is no recipe {path}", "write one with: edgecls init"
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{path} is not TOML: {error}", "see a whole recipe with: edgecls init"
            ) from error
        except IsADirectoryError as error:
            raise UsageError(
                f"{path} is a folder, not a recipe", f"for a folder of images: --data {path}"
            ) from error
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {override!r} is not key=value", "e.g. --set bench.threads=2")
        put(data, key.strip(), _value(value.strip()))
    return data


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a string, as on a command line


def put(data: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key of raw tables, in place. Raises UsageError where a part is no table."""
    *tables, last = key.split(".")
    for part in tables:
        inner = data.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"{key} cannot be set: {part!r} is {inner!r}, not a table")
        data = inner
    data[last] = value


def parse(data: Mapping[str, Any]) -> Recipe:
    """A validated recipe from raw tables."""
    recipe = validated(Recipe, data)
    if recipe.data.validation + recipe.data.test >= 0.9:
        raise UsageError(
            "data.validation and data.test leave less than a tenth of the images for training",
            "lower one of them",
        )
    twice = [name for name, count in Counter(recipe.export.targets).items() if count > 1]
    if twice:
        raise UsageError(f"export.targets names {twice[0]!r} twice", "name it once")
    return recipe
