"""How long ``edgecls --help`` takes, as a whole process, and that it imports no runtime."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS, BOUND_S = 10, 0.25
RUNTIMES = ("torch", "torchvision", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "nncf")


def main() -> None:
    """Print the median of ten runs."""
    command = [str(Path(sys.executable).parent / "edgecls"), "--help"]
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begin)
    code = (
        "import sys, contextlib, io\n"
        "from edgecls.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    main(['--help'])\n"
        f"print([name for name in {RUNTIMES!r} if name in sys.modules])"
    )
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    median = statistics.median(seconds)
    print(json.dumps({"median_s": round(median, 4), "imported": imported.strip()}))
    sys.exit(0 if median <= BOUND_S and imported.strip() == "[]" else 1)


if __name__ == "__main__":
    main()
