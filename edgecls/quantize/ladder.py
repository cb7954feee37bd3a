"""The ladders that `--max-drop` climbs: remedies, the cheapest to make first.

Every rung but the last ones (layers in float, training) gives a graph that is as quick as before.
"""

from __future__ import annotations

from edgecls.core import Remedies, Rung

ONNX = (
    Rung(
        "min-max", Remedies(), "the runtime's own default: per-channel weights, extremes as ranges"
    ),
    Rung(
        "histogram", Remedies(ranges="histogram"), "a rare extreme no longer costs all others steps"
    ),
    Rung(
        "fast bias correction",
        Remedies(ranges="histogram", bias_correction="fast"),
        "takes out the shift of every layer's mean",
    ),
    Rung(
        "full bias correction",
        Remedies(ranges="histogram", bias_correction="full"),
        "sees shifts that add up from layer to layer",
    ),
    Rung(
        "equalisation",
        Remedies(ranges="histogram", bias_correction="full", equalise=True),
        "one channel no longer takes the range of all others",
    ),
    Rung(
        "percentile",
        Remedies(ranges="percentile", bias_correction="full", equalise=True),
        "cuts long tails harder",
    ),
    Rung(
        "entropy",
        Remedies(ranges="entropy", bias_correction="full", equalise=True),
        "keeps the distribution instead of the squared error",
    ),
)
NNCF = (
    Rung(
        "NNCF's default",
        Remedies(ranges="mean", bias_correction="fast"),
        "the tool's own default: per-channel weights, fast bias correction",
    ),
    Rung(
        "min-max",
        Remedies(ranges="minmax"),
        "cuts nothing at all, where the default means the images' extremes",
    ),
    Rung(
        "full bias correction",
        Remedies(ranges="minmax", bias_correction="full"),
        "sees shifts that add up from layer to layer",
    ),
    Rung(
        "histogram",
        Remedies(ranges="histogram", bias_correction="full"),
        "a rare extreme no longer costs all others steps",
    ),
    Rung(
        "equalisation",
        Remedies(ranges="minmax", bias_correction="full", equalise=True),
        "one channel no longer takes the range of all others",
    ),
    Rung(
        "SmoothQuant",
        Remedies(ranges="minmax", bias_correction="full", smooth_quant=0.5),
        "moves what is hard to quantize from activations into weights",
    ),
)
