"""A captured net as a Core ML package, and the check of one on a machine that is no Mac.

`converting` runs coremltools, `package` writes and reads the folder, `answers` computes what the
package says with PyTorch, operator for operator (`operators`).
"""
