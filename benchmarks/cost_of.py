"""What a command costs: its wall time and memory, as one JSON line.

A process of its own and a small one: the peak that the system tells of a child counts what its
parent was when it started it.

    python benchmarks/cost_of.py LOG COMMAND …
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time


def watch(pid: int, own_kb: list[int]) -> None:
    """Add the memory that is the process's own to the list every 20 ms, while it runs.

    Without mapped files, which the system can take back at any time.
    """
    while True:
        try:
            # Not pathlib, here and below: it would be in the figure.
            with open(f"/proc/{pid}/status", encoding="ascii") as stream:  # noqa: PTH123
                lines = [line for line in stream if line.startswith("RssAnon")]
        except OSError:
            return
        if not lines:  # it has ended and was not waited for yet
            return
        own_kb.append(int(lines[0].split()[1]))
        time.sleep(0.02)


def main() -> None:
    with open(sys.argv[1], "wb") as log:  # noqa: PTH123
        begin = time.perf_counter()
        process = subprocess.Popen(sys.argv[2:], stdout=log, stderr=subprocess.STDOUT)
        own_kb = [0]
        watcher = threading.Thread(target=watch, args=(process.pid, own_kb))
        watcher.start()
        status = process.wait()
        seconds = time.perf_counter() - begin
    watcher.join()
    peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    told = {"seconds": round(seconds, 3), "peak_bytes": peak_kb * 1024}
    print(json.dumps({**told, "own_bytes": max(own_kb) * 1024}))
    sys.exit(os.EX_SOFTWARE if status else 0)


if __name__ == "__main__":
    main()
