"""How the device is doing while it is measured: power mode, clocks, temperatures, throttling.

Asked before, between and after the rounds. Whatever a device does not tell is absent; nothing here
needs special rights. The fields, all optional:

- ``power_mode``: a Jetson's; ``governor``: of the CPU's clock
- ``cpu_mhz``, ``cpu_max_mhz``: of each group of cores; ``gpu_mhz``, ``gpu_max_mhz``
- ``temperatures_c``, ``power_mw``: sensor or rail -> value
- ``throttled``: whether the clock is held down at this moment; ``throttle_events``: a counter that
  only grows; ``throttled_since_boot``: whether it ever was
"""

import glob
import os
import shutil
import subprocess
import threading
from typing import Any, Callable, Dict, List, Optional

from . import readings

TIMEOUT_S = 5.0

# A command's output, or None where it is missing or fails.
Run = Callable[[List[str]], Optional[str]]


def read(root: str = "/", run: Optional[Run] = None) -> Dict[str, Any]:
    """What this device tells now. root: where ``sys`` lies."""
    run = run or output
    sysfs = _Sysfs(root)
    return readings.merged(
        [
            readings.nvpmodel(run(["nvpmodel", "-q"]) or ""),
            readings.jetson_clocks(run(["jetson_clocks", "--show"]) or ""),
            readings.get_throttled(run(["vcgencmd", "get_throttled"]) or ""),
            _clocks(sysfs),
            _temperatures(sysfs),
            readings.tegrastats(run(["tegrastats", "--interval", "100"]) or ""),
            readings.cooling(_cooling(sysfs)),
            _events(sysfs),
        ]
    )


class _Sysfs:
    """The kernel's files. A pattern gives the matching paths, in order."""

    def __init__(self, root: str) -> None:
        self.root = root

    def paths(self, pattern: str) -> List[str]:
        return sorted(glob.glob(os.path.join(self.root, "sys", pattern)))

    @staticmethod
    def text(*path: str) -> str:
        try:
            with open(os.path.join(*path), encoding="utf-8", errors="replace") as stream:
                return stream.read().strip()
        except OSError:  # missing, or a sensor that sleeps
            return ""

    def number(self, *path: str) -> Optional[int]:
        text = self.text(*path)
        return int(text) if text.lstrip("-").isdigit() else None


def _clocks(sysfs: _Sysfs) -> Dict[str, Any]:
    policies = sysfs.paths("devices/system/cpu/cpufreq/policy[0-9]*")
    governors = {sysfs.text(each, "scaling_governor") for each in policies} - {""}
    current = _numbers(sysfs, policies, "scaling_cur_freq")
    highest = _numbers(sysfs, policies, "cpuinfo_max_freq")
    result: Dict[str, Any] = {}
    if governors:
        result["governor"] = ", ".join(sorted(governors))
    if current:
        result["cpu_mhz"] = [each / 1e3 for each in current]
    if highest:
        result["cpu_max_mhz"] = [each / 1e3 for each in highest]
    for device in sysfs.paths("class/devfreq/*"):
        now, top = sysfs.number(device, "cur_freq"), sysfs.number(device, "max_freq")
        if readings.COOLS_BY_SLOWING.search(os.path.basename(device)) and now and top:
            result["gpu_mhz"], result["gpu_max_mhz"] = now / 1e6, top / 1e6
    return result


def _numbers(sysfs: _Sysfs, folders: List[str], name: str) -> List[int]:
    found = [sysfs.number(folder, name) for folder in folders]
    return [each for each in found if each is not None]


def _temperatures(sysfs: _Sysfs) -> Dict[str, Any]:
    found: Dict[str, float] = {}
    for zone in sysfs.paths("class/thermal/thermal_zone[0-9]*"):
        millidegrees = sysfs.number(zone, "temp")
        if millidegrees is not None:
            name = sysfs.text(zone, "type") or os.path.basename(zone)
            # Two zones may share a type: the warmer one counts.
            found[name] = max(millidegrees / 1e3, found.get(name, -1e9))
    found = readings.plausible(found)
    return {"temperatures_c": found} if found else {}


def _cooling(sysfs: _Sysfs) -> Dict[str, int]:
    states: Dict[str, int] = {}
    for device in sysfs.paths("class/thermal/cooling_device[0-9]*"):
        state = sysfs.number(device, "cur_state")
        if state is not None:
            kind = sysfs.text(device, "type")
            states[kind] = max(state, states.get(kind, state))
    return states


def _events(sysfs: _Sysfs) -> Dict[str, Any]:
    """Intel's counters of thermal throttling, and a Tegra's of too high a current."""
    paths = sysfs.paths("devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")
    paths += sysfs.paths("class/hwmon/hwmon[0-9]*/oc[0-9]*_event_cnt")
    counts = [count for count in (sysfs.number(path) for path in paths) if count is not None]
    return {"throttle_events": sum(counts)} if counts else {}


def output(command: List[str]) -> Optional[str]:
    """The first lines that a command prints, or None where it is missing, fails or says nothing.

    tegrastats prints on and on: its first line is enough, and what is still running is ended.
    """
    path = shutil.which(command[0])
    if path is None:
        return None
    endless = command[0] == "tegrastats"
    try:
        process = subprocess.Popen(
            [path, *command[1:]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return None
    timer = threading.Timer(TIMEOUT_S, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        data = process.stdout.readline() if endless else process.stdout.read()
        if endless:
            process.kill()
        status = process.wait()
        process.stdout.close()
    finally:
        timer.cancel()
    return data.decode("utf-8", "replace") if data and (endless or status == 0) else None
