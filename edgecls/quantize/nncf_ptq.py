"""The remedies of int8 for OpenVINO, done by NNCF. What is mapped to what:

- ranges: ``minmax`` → MINMAX, ``mean`` → MEAN_MINMAX, ``percentile`` → quantiles of the whole
  image, averaged (MEAN_QUANTILE), ``histogram`` → its HISTOGRAM aggregator; it has no entropy
- bias_correction: ``none`` → disable_bias_correction, ``fast`` → fast_bias_correction=True,
  ``full`` → fast_bias_correction=False
- smooth_quant → the alphas of convolutions and products
- float_layers → ignored_scope
- equalise → done by us on the ONNX graph, before OpenVINO reads it

The preset is the scheme's: MIXED where activations are asymmetric, PERFORMANCE where they are not
(those without negative values stay unsigned: NNCF forces no sign on a CPU). `reduce_range` is its
overflow fix in all layers.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgecls.core import Images, Remedies, Scheme
from edgecls.errors import ConversionError
from edgecls.quantize import layers
from edgecls.quantize.equalise import equalise


def quantized(
    graph: Path, scheme: Scheme, calibration: Images, remedies: Remedies, device: str = "CPU"
) -> Any:
    """The quantized OpenVINO model of a canonical graph. Raises ConversionError, UsageError.

    device: OpenVINO's name of what it is for.
    """
    import onnx

    nodes = layers.nodes(onnx.load(graph), remedies.float_layers)
    model = floating(graph, calibration, remedies)
    with quiet() as nncf:
        preset = nncf.QuantizationPreset
        batches = [calibration[i : i + 1] for i in range(len(calibration))]
        return nncf.quantize(
            model,
            nncf.Dataset(batches),
            preset=preset.PERFORMANCE if scheme.symmetric_activations else preset.MIXED,
            target_device=nncf.TargetDevice(device),
            fast_bias_correction=remedies.bias_correction != "full",
            subset_size=len(batches),
            ignored_scope=_ignored(nncf, model, nodes),
            advanced_parameters=_advanced(nncf, remedies, scheme),
        )


def floating(graph: Path, calibration: Images, remedies: Remedies) -> Any:
    """The OpenVINO model that is quantized, its channels evened out where that is asked for."""
    import onnx
    import openvino

    float_ = onnx.load(graph)
    if remedies.equalise:
        equalise(float_, calibration)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        onnx.save(float_, path)
        return openvino.convert_model(str(path))


def weight_only(model: Any) -> Any:
    """An OpenVINO model with int8 weights, symmetric per channel; all else stays as it is."""
    with quiet() as nncf:
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)


@contextlib.contextmanager
def quiet() -> Iterator[Any]:
    """NNCF, whose progress bars and warnings are not ours to show."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        # It tells of a CUDA compiler that nobody asked for.
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        import nncf

        nncf.set_log_level(logging.ERROR)
        yield nncf


def operations(node: str) -> tuple[str, str]:
    """What OpenVINO may call an ONNX node: of one with a bias, the addition has its name."""
    return node, f"{node}/WithoutBiases"


def _ignored(nncf: Any, model: Any, nodes: list[str]) -> Any:
    if not nodes:
        return None
    wanted = {name for node in nodes for name in operations(node)}
    names = [each.get_friendly_name() for each in model.get_ordered_ops()]
    found = [name for name in names if name in wanted]
    reached = {name.removesuffix("/WithoutBiases") for name in found}
    lost = [node for node in nodes if node not in reached]
    if lost:
        raise ConversionError(
            f"OpenVINO's graph has no layer {lost[0]}", "name a convolution or a product"
        )
    return nncf.IgnoredScope(names=found)


def _advanced(nncf: Any, remedies: Remedies, scheme: Scheme) -> Any:
    from nncf.quantization import advanced_parameters as parameters

    fix = parameters.OverflowFix
    more: dict[str, Any] = {"overflow_fix": fix.ENABLE if scheme.reduce_range else fix.DISABLE}
    if remedies.smooth_quant is not None:
        alpha = remedies.smooth_quant
        more["smooth_quant_alphas"] = nncf.AdvancedSmoothQuantParameters(
            convolution=alpha, matmul=alpha
        )
    return nncf.AdvancedQuantizationParameters(
        disable_bias_correction=remedies.bias_correction == "none",
        activations_range_estimator_params=_ranges(nncf, remedies),
        **more,
    )


def _ranges(nncf: Any, remedies: Remedies) -> Any:
    from nncf.quantization import range_estimator as estimators

    known = estimators.RangeEstimatorParametersSet
    if remedies.ranges == "percentile":
        kind, mean = estimators.StatisticsType.QUANTILE, estimators.AggregatorType.MEAN
        side = estimators.StatisticsCollectorParameters(
            statistics_type=kind,
            aggregator_type=mean,
            quantile_outlier_prob=1 - remedies.percentile / 100,
        )
        return estimators.RangeEstimatorParameters(min=side, max=side)
    named = {"minmax": known.MINMAX, "mean": known.MEAN_MINMAX, "histogram": known.HISTOGRAM}
    if remedies.ranges not in named:
        raise ConversionError(
            f"NNCF has no {remedies.ranges} ranges", f"valid: percentile, {', '.join(named)}"
        )
    return named[remedies.ranges]
