"""Real outputs of the tools that tell how a device is doing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edgecls.device import conditions, readings

# Orin Nano, JetPack 6.2.
CLOCKS = """SOC family:tegra234  Machine:NVIDIA Jetson Orin Nano Developer Kit
Online CPUs: 0-5, Offline CPUs:
cpu0:  Governor=schedutil MinFreq=729600 MaxFreq=1344000 CurrentFreq=960000 IdleStates: WFI=1 c7=1
GPU MinFreq=306000000 MaxFreq=918000000 CurrentFreq=306000000
Active GPU TPCs: 4
EMC MinFreq=204000000 MaxFreq=3199000000 CurrentFreq=665600000
FAN Dynamic Speed Control=nvfancontrol hwmon0_pwm1=60
NV Power Mode: 25W
"""
XAVIER = (
    "RAM 2690/6854MB (lfb 6x1MB) SWAP 479/3427MB (cached 3MB) "
    "CPU [3%@1904,7%@1906,1%@1905,0%@1907,off,off] EMC_FREQ 0%@1600 GR3D_FREQ 0%@[510] "
    "VIC_FREQ 601 APE 150 AUX@39C CPU@39.5C AO@37.5C GPU@37.5C PMIC@50C "
    "VDD_IN 5079mW/5079mW VDD_CPU_GPU_CV 696mW/696mW VDD_SOC 1104mW/1104mW"
)
ORIN = (
    "10-05-2026 21:03:35 RAM 5137/62841MB (lfb 2x4MB) SWAP 0/31420MB (cached 0MB) "
    "CPU [1%@729,25%@729] GR3D_FREQ 5%@[305,306] cpu@52.875C soc2@48.656C CV0@-256C tj@52.875C "
    "VDD_GPU_SOC 3178mW/3178mW VDD_CPU_CV 794mW/794mW VIN_SYS_5V0 4543mW/4543mW"
)
NANO = (
    "RAM 2145/3964MB (lfb 118x4MB) SWAP 0/1982MB (cached 0MB) CPU [25%@1479,35%@1479] "
    "EMC_FREQ 10%@1600 GR3D_FREQ 0%@921 APE 25 PLL@38.0C CPU@46.5C PMIC@100C GPU@43C "
    "POM_5V_IN 4250/4250 POM_5V_GPU 480/480 POM_5V_CPU 1520/1520"
)

AGX_XAVIER = (
    "RAM 7098/31927MB (lfb 5745x4MB) SWAP 0/15964MB (cached 0MB) CPU [1%@1190,0%@1190] "
    "EMC_FREQ 0% GR3D_FREQ 0% AO@39.5C GPU@40.5C PMIC@100C GPU 310/310 CPU 465/465 SOC 1242/1242 "
    "CV 0/0 VDDRQ 310/310 SYS5V 2416/2416"
)


def test_nvpmodel() -> None:
    assert readings.nvpmodel("NV Power Mode: MAXN\n0\n") == {"power_mode": "MAXN"}
    assert readings.nvpmodel("NV Fan Mode:quiet\nNV Power Mode: MODE_15W_6CORE\n2\n") == {
        "power_mode": "MODE_15W_6CORE"
    }
    assert readings.nvpmodel("") == {}


def test_jetson_clocks() -> None:
    assert readings.jetson_clocks(CLOCKS) == {
        "gpu_mhz": 306.0,
        "gpu_max_mhz": 918.0,
        "gpu_clock_is_fixed": False,
        "emc_mhz": 665.6,
        "emc_max_mhz": 3199.0,
        "emc_clock_is_fixed": False,
    }


@pytest.mark.parametrize(
    ("line", "gpu_mhz", "temperatures_c", "power_mw"),
    [
        (
            XAVIER,
            510.0,
            {"AUX": 39.0, "CPU": 39.5, "AO": 37.5, "GPU": 37.5},
            {"VDD_IN": 5079, "VDD_CPU_GPU_CV": 696, "VDD_SOC": 1104},
        ),
        (
            ORIN,
            306.0,
            {"cpu": 52.875, "soc2": 48.656, "tj": 52.875},
            {"VDD_GPU_SOC": 3178, "VDD_CPU_CV": 794, "VIN_SYS_5V0": 4543},
        ),
        (
            NANO,
            921.0,
            {"PLL": 38.0, "CPU": 46.5, "GPU": 43.0},
            {"POM_5V_IN": 4250, "POM_5V_GPU": 480, "POM_5V_CPU": 1520},
        ),
    ],
    ids=["Xavier", "Orin", "Nano"],
)
def test_tegrastats(
    line: str, gpu_mhz: float, temperatures_c: dict[str, float], power_mw: dict[str, int]
) -> None:
    assert readings.tegrastats(line) == {
        "gpu_mhz": gpu_mhz,
        "temperatures_c": temperatures_c,
        "power_mw": power_mw,
    }


def test_tegrastats_of_an_idle_gpu_and_of_nothing() -> None:
    assert readings.tegrastats("CPU [1%@729] GR3D_FREQ 0% cpu@52C") == {
        "temperatures_c": {"cpu": 52.0}
    }
    assert readings.tegrastats("") == {}


@pytest.mark.parametrize(
    ("line", "watts"),
    [
        (XAVIER, 5.079),  # what feeds the module
        (NANO, 4.250),
        (ORIN, 3.178 + 0.794 + 4.543),
        (AGX_XAVIER, 0.310 + 0.465 + 1.242 + 0.310 + 2.416),
    ],
)
def test_the_power_of_a_whole_jetson(line: str, watts: float) -> None:
    assert readings.total_watts(line) == pytest.approx(watts)


def test_a_line_without_power_tells_none() -> None:
    assert readings.total_watts("CPU [1%@729] GR3D_FREQ 0% cpu@52C") is None
    assert readings.total_watts("") is None


@pytest.mark.parametrize(
    ("text", "now", "since_boot"),
    [
        ("throttled=0x0\n", False, False),
        ("throttled=0x50005\n", True, True),
        ("throttled=0x50000\n", False, True),
        ("throttled=0x80008\n", True, True),
        ("throttled=0x2\n", True, False),
    ],
)
def test_a_raspberry_pi(text: str, now: bool, since_boot: bool) -> None:
    found = readings.get_throttled(text)
    assert (found["throttled"], found["throttled_since_boot"]) == (now, since_boot)
    assert readings.get_throttled("VCHI initialization failed") == {}


def test_a_fan_that_turns_is_no_throttling_and_a_slowed_processor_is() -> None:
    assert readings.cooling({"pwm-fan": 3}) == {}
    assert readings.cooling({"pwm-fan": 3, "thermal-cpufreq-0": 0}) == {"throttled": False}
    assert readings.cooling({"cpufreq-cpu0": 0, "17000000.ga10b": 2}) == {"throttled": True}
    assert readings.cooling({"Processor": 0, "intel_powerclamp": 5}) == {"throttled": False}


def board(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / "sys" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def test_sysfs_is_read_as_numbers(tmp_path: Path) -> None:
    policy, thermal = "devices__system__cpu__cpufreq__policy", "class__thermal__"
    board(
        tmp_path,
        **{
            f"{policy}0__scaling_governor": "schedutil",
            f"{policy}0__scaling_cur_freq": "600000",
            f"{policy}0__cpuinfo_max_freq": "1800000",
            f"{policy}4__scaling_governor": "performance",
            f"{policy}4__scaling_cur_freq": "<unsupported>",
            f"{policy}4__cpuinfo_max_freq": "2400000",
            f"{thermal}thermal_zone0__type": "cpu-thermal",
            f"{thermal}thermal_zone0__temp": "52000",
            f"{thermal}thermal_zone1__type": "cv0-thermal",
            f"{thermal}thermal_zone1__temp": "-256000",
            f"{thermal}cooling_device0__type": "thermal-cpufreq-0",
            f"{thermal}cooling_device0__cur_state": "2",
            "class__devfreq__fb000000.gpu__cur_freq": "300000000",
            "class__devfreq__fb000000.gpu__max_freq": "1000000000",
            "devices__system__cpu__cpu0__thermal_throttle__core_throttle_count": "3",
            "devices__system__cpu__cpu1__thermal_throttle__package_throttle_count": "4",
        },
    )
    assert conditions.read(str(tmp_path), run=lambda command: None) == {
        "governor": "performance, schedutil",
        "cpu_mhz": [600.0],
        "cpu_max_mhz": [1800.0, 2400.0],
        "gpu_mhz": 300.0,
        "gpu_max_mhz": 1000.0,
        "temperatures_c": {"cpu-thermal": 52.0},
        "throttled": True,
        "throttle_events": 7,
    }


def test_a_jetson_tells_through_its_tools(tmp_path: Path) -> None:
    said = {"nvpmodel": "NV Power Mode: 25W\n1\n", "jetson_clocks": CLOCKS, "tegrastats": XAVIER}
    found = conditions.read(str(tmp_path), run=lambda command: said.get(command[0]))
    assert found["power_mode"] == "25W"
    # The clock of the tool that reads it from the kernel comes first.
    assert (found["gpu_mhz"], found["gpu_max_mhz"]) == (306.0, 918.0)
    assert found["power_mw"]["VDD_IN"] == 5079
    assert "throttled" not in found


def test_a_device_that_tells_nothing_says_nothing(tmp_path: Path) -> None:
    assert conditions.read(str(tmp_path), run=lambda command: None) == {}


def test_tools_are_run_and_an_endless_one_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (
        ("tegrastats", "while true; do echo tick; sleep 0.1; done"),
        ("nvpmodel", "echo 'NV Power Mode: MAXN'"),
        ("jetson_clocks", "echo 'needs root' >&2; echo half; exit 1"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert conditions.output(["tegrastats", "--interval", "100"]) == "tick\n"
    assert conditions.output(["nvpmodel", "-q"]) == "NV Power Mode: MAXN\n"
    assert conditions.output(["jetson_clocks", "--show"]) is None
    assert conditions.output(["vcgencmd_of_nobody"]) is None
