"""Static int8 of a net as ``torch.export`` gives it, for the targets that take no ONNX.

`capture` makes the graph, `nodes` says what is what in it, `placing` which values are int8, `ptq`
puts it together with the remedies, and `trained` writes the ranges of a net trained for int8. What
comes out has the operators of PyTorch's PT2E (``quantized_decomposed``), so that every backend that
reads those reads it.
"""
