"""Memory that a step frees is there for the next one."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from edgecls.train import fit

if sys.argv[1] == "kept":
    fit.keep_memory()

def step():
    return [torch.ones(4_000_000) for _ in range(8)]

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"),
    reason="the system's allocator is not glibc's",
)
def test_a_step_does_not_fetch_its_memory_anew():
    """What glibc does on its own depends on where things lie; from that size on it would always."""
    faults = {}
    given = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    for way in ("kept", "as it comes"):
        command = [sys.executable, "-c", FAULTS, way]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=given)
        faults[way] = int(done.stdout)
    assert faults["kept"] * 4 < faults["as it comes"]
