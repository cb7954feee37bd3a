"""What the two NVIDIA targets share: is there a GPU, and the parser that runs without one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgecls.errors import ConversionError, MissingDependency

RTX_PACKAGE, RTX_EXTRA = "tensorrt_rtx_cu13", "tensorrt-rtx"
# Of a dynamic batch: what an engine takes, and what it is quickest at.
PROFILE = {"min": 1, "opt": 8, "max": 32}
# A discrete GPU, a Jetson's, and Windows' under WSL.
DEVICES = ("/dev/nvidia0", "/dev/nvhost-gpu", "/etc/nv_tegra_release")


def has_gpu() -> bool:
    """Whether an NVIDIA GPU's driver is at work on this machine."""
    wsl = Path("/dev/dxg").exists() and shutil.which("nvidia-smi") is not None
    return wsl or any(Path(name).exists() for name in DEVICES)


@dataclass(frozen=True)
class Network:
    """A parsed network, with what must live as long as it does.

    runtime: the module ``tensorrt_rtx``; log: the errors that it has reported so far.
    """

    runtime: Any
    log: list[str]
    builder: Any
    network: Any
    parser: Any
    data: bytes


def parse(data: bytes) -> Network:
    """A serialized ONNX graph as a strongly typed network of TensorRT-RTX.

    Raises ConversionError with the parser's messages; MissingDependency.
    """
    try:
        import tensorrt_rtx
    except ImportError as error:
        raise MissingDependency("tensorrt-rtx", RTX_EXTRA) from error
    logger, log = _logger(tensorrt_rtx)
    log.clear()
    builder = tensorrt_rtx.Builder(logger)
    # Asked for in TensorRT 10; later ones are always so, and may drop the flag.
    flag = getattr(tensorrt_rtx.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if flag is None else 1 << int(flag))
    parser = tensorrt_rtx.OnnxParser(network, logger)
    if not parser.parse(data):
        said = [_message(parser.get_error(index)) for index in range(parser.num_errors)]
        raise ConversionError(
            "TensorRT's parser refuses this graph: " + ("; ".join(said) or "; ".join(log)),
            "export another precision or target, or report this net",
        )
    return Network(tensorrt_rtx, log, builder, network, parser, data)


@lru_cache(maxsize=1)
def _logger(runtime: Any) -> tuple[Any, list[str]]:
    """The process's one logger (TensorRT keeps the first that it is given), and its errors."""
    log: list[str] = []
    serious = (runtime.ILogger.INTERNAL_ERROR, runtime.ILogger.ERROR)

    class Log(runtime.ILogger):  # type: ignore[misc]
        def log(self, severity: Any, message: str) -> None:
            if severity in serious:
                log.append(message)

    return Log(), log


def _message(error: Any) -> str:
    """One error of the parser, without its complaint that there is no GPU here."""
    lines = [line for line in error.desc().splitlines() if "catchCudaError" not in line]
    return f"{error.node_operator()} {error.node_name()}: {' '.join(lines)}"
