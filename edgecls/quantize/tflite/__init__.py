"""A captured net as a ``.tflite`` file, through litert-torch.

`converting` runs the converter, `model` writes what it leaves out and reads what it made, `weights`
makes the precisions that change nothing but weights.
"""
