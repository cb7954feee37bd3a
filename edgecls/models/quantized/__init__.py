"""Nets that are trained for int8: fake quantization in PyTorch, and the integers that come of it.

trace: the net as a graph of its own modules, with the places that int8 needs quantized.
fake: what rounds an activation, with a step that is learned. layers: convolutions and linear layers
with rounded weights and their BatchNorm. integers: the same net with int8 weights, to be exported.

Our own and not PyTorch's PT2E: that bakes dropout and the batch's statistics into its graph, takes
2.5 times as long for a step as the net in float, and names what it has learned by the numbers of
its nodes, so that a checkpoint could be read by nothing but the versions that wrote it.
"""
