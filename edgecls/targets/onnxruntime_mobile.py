"""ONNX Runtime in its own format, for phones and boards where it is built with few operators.

The ``.ort`` file is what ONNX Runtime's own converter gives: optimized ahead of time, so that a
minimal build loads it. Beside it lie the lists of operators, and of their types, that such a build
has to have.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from edgecls import hardware
from edgecls.core import (
    DONE,
    Artifact,
    Availability,
    Hardware,
    Precision,
    Request,
    Scheme,
    Source,
)
from edgecls.errors import ConversionError
from edgecls.targets import _onnxruntime

MODEL = "model.ort"
OPERATORS, TYPES = "required_operators.config", "required_operators_and_types.config"


class OnnxRuntimeMobile:
    name = "onnxruntime-mobile"
    title = "ONNX Runtime, ORT format (mobile builds)"
    version = 1
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    kit = "onnxruntime"
    requirements = ("onnxruntime>=1.17",)
    packages = ("onnxruntime", "onnx", "torch")
    host_only = False
    quantizing = _onnxruntime.QUANTIZING
    hardware: str | None = "arm64"
    dynamic_batch = True
    # Nothing is rewritten when the file is loaded, and the kernels for int8 by int8 are exact.
    overflow_free: tuple[str, ...] = ("int8",)

    def availability(self) -> Availability:
        return _onnxruntime.availability()

    def scheme(self, machine: Hardware) -> Scheme:
        return _onnxruntime.scheme(machine)

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        import onnx

        model = _onnxruntime.graph(source, request)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "model.onnx"
            onnx.save(model, path)
            _write(path, request.hardware, out)
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=(MODEL, OPERATORS, TYPES),
            compiled=DONE,
            scheme=request.scheme,
            size_files=(MODEL,),
            versions=hardware.versions(self.packages),
            details={
                **_onnxruntime.checked(model, source, request),
                "minimal_build": f"./build.sh --config MinSizeRel --minimal_build "
                f"--include_ops_by_config {TYPES} --enable_reduced_operator_type_support",
            },
        )

    def snippet(self, model_file: str) -> str:
        return (
            f'session = onnxruntime.InferenceSession("{model_file}")\n'
            'logits = session.run(None, {"image": pixels})[0]  # uint8[1, H, W, C] in\n'
            "# A runtime with these operators alone, from ONNX Runtime's sources:\n"
            f"# ./build.sh --config MinSizeRel --minimal_build --include_ops_by_config {TYPES} \\\n"
            "#     --enable_reduced_operator_type_support --android … or --ios …"
        )


def _write(graph: Path, machine: Hardware, out: Path) -> None:
    """The converter's files of `graph`, in `out`. Raises ConversionError."""
    from edgecls.graph import errors

    with _quiet():
        from onnxruntime.tools import convert_onnx_models_to_ort as converter
        from onnxruntime.tools.ort_format_model import create_config_from_models

        try:
            converter.convert_onnx_models_to_ort(
                graph,
                output_dir=graph.parent / "ort",
                # All optimizations now: a minimal build has none of them.
                optimization_styles=[converter.OptimizationStyle.Fixed],
                # Otherwise int8 activations become uint8; layouts of this CPU are left out anyway.
                target_platform="arm" if machine.is_arm else None,
            )
        except errors() as error:
            raise ConversionError(
                f"ONNX Runtime cannot convert this graph to its format: {error}",
                "export onnxruntime, or report this net",
            ) from error
        made = graph.parent / "ort" / MODEL
        made.replace(out / MODEL)
        for name in (OPERATORS, TYPES):
            create_config_from_models([out / MODEL], out / name, name == TYPES)
            _without_path(out / name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The converter tells its steps on stdout, sets up logging, and leaves a file open."""
    handlers, disabled = list(logging.root.handlers), logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        logging.disable(disabled)
        logging.root.handlers[:] = handlers


def _without_path(config: Path) -> None:
    """Its comment names the file by its path on this machine."""
    lines = config.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("#")]
    config.write_text("\n".join([f"# operators of {MODEL}", *kept]) + "\n", encoding="utf-8")


TARGET = OnnxRuntimeMobile()
