"""A captured net as ncnn's ``.param`` and ``.bin``, in float through pnnx, and in int8.

`converting` runs pnnx, `param` reads and writes the text, `integers` takes the int8 layers of a
PT2E graph, and `writing` puts them into the two files as ncnn2int8 would.
"""
