"""edgecls: from a folder of images to a verified, measured, packaged classifier for a device."""

import os
import sys

__version__ = "0.1.0"

# ONNX Runtime, OpenVINO's converter and NNCF report their use to their makers, with a lasting id in
# the user's home, unless they are told not to: whose images these are is nobody else's business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# None is what both take for a package that is not installed; then they have nothing to send with.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
