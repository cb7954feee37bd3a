"""Post-training quantization of a graph: it belongs to the conversion, not to the training."""
