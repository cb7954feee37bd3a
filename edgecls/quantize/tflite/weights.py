"""Precisions that change nothing but the weights of a float model, by the AI Edge Quantizer.

``int8-dynamic``: weights in int8 per output channel, activations quantized as they come.
``int8-weights``: the same weights, computed in float. ``fp16``: weights stored in float16; a CPU
computes in float32 with them, a GPU's delegate in float16.
"""

from __future__ import annotations

from typing import Any

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def changed(data: bytes, precision: str) -> bytes:
    """The flatbuffer of a float model in that precision."""
    from ai_edge_quantizer import quantizer, recipe_manager

    recipe = recipe_manager.RecipeManager()
    for layer in LAYERS:
        _ask(recipe, layer, precision)
    made = quantizer.Quantizer(data, recipe.get_quantization_recipe())
    return bytes(made.quantize(enable_progress_report=False).quantized_model)


def _ask(recipe: Any, layer: str, precision: str) -> None:
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    kind = qtyping.TFLOperationName(layer)
    if precision == "int8-dynamic":
        recipe.add_dynamic_config(".*", kind, 8)
    elif precision == "int8-weights":
        recipe.add_weight_only_config(".*", kind, 8)
    else:
        assert precision == "fp16"
        recipe.add_weight_only_config(".*", kind, 16, algorithm_key=AlgorithmName.FLOAT_CASTING)
