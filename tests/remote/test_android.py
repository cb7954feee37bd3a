"""Real outputs of Android's tools."""

from __future__ import annotations

import pytest

from edgecls.remote import android

# A Samsung A52 with Android 12, shortened.
THERMAL = """IsStatusOverride: false
ThermalEventListeners:
        callbacks: 1
Thermal Status: 0
Cached temperatures:
        Temperature{mValue=0.0, mType=2, mName=SUBBAT, mStatus=0}
        Temperature{mValue=35.6, mType=0, mName=AP, mStatus=0}
HAL Ready: true
HAL connection:
        ThermalHAL 2.0 connected: yes
Current temperatures from HAL:
        Temperature{mValue=25.6, mType=0, mName=AP, mStatus=0}
        Temperature{mValue=23.8, mType=2, mName=BAT, mStatus=0}
        Temperature{mValue=0.0, mType=2, mName=SUBBAT, mStatus=0}
Current cooling devices from HAL:
Temperature static thresholds from HAL:
        TemperatureThreshold{mType=3, mName=SKIN, mHotThrottlingThresholds=[NaN, 37.0]}
"""
BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 500000
  Charge counter: 3270000
  status: 5
  health: 2
  present: true
  level: 100
  scale: 100
  voltage: 4352
  temperature: 274
  technology: Li-ion
[EventLogBuffer]
08-11 18:34:14.721  Sending ACTION_BATTERY_CHANGED: level:72, temperature:345
"""
CPU = "/sys/devices/system/cpu/cpu"


def test_thermalservice() -> None:
    assert android.thermalservice(THERMAL) == {
        "throttled": False,
        "temperatures_c": {"AP": 25.6, "BAT": 23.8},
    }
    assert android.thermalservice("Thermal Status: 3\n") == {"throttled": True}
    assert android.thermalservice("Can't find service: thermalservice") == {}


def test_battery() -> None:
    assert android.battery(BATTERY) == {
        "temperatures_c": {"battery": 27.4},
        "battery_percent": 100,
        "powered_by": "USB",
    }
    assert android.battery("") == {}


def cores(name: str, values: dict[int, int]) -> str:
    return "".join(f"{CPU}{core}/{name}={value}\n" for core, value in values.items())


# 4 small cores, 3 large, one largest.
CAPACITIES = cores("cpu_capacity", dict(zip(range(8), [124] * 4 + [821] * 3 + [1024], strict=True)))


@pytest.mark.parametrize(
    ("threads", "mask"), [(1, "80"), (2, "f0"), (4, "f0"), (5, "ff"), (99, "ff")]
)
def test_the_fastest_cores_with_room_for_the_threads(threads: int, mask: str) -> None:
    assert android.fastest(CAPACITIES, threads) == mask


def test_clocks_stand_for_capacities_where_there_are_none() -> None:
    clocks = {core: 1_800_000 if core < 4 else 2_400_000 for core in range(6)}
    assert android.fastest(cores("cpufreq/cpuinfo_max_freq", clocks), 1) == "30"
    assert android.fastest("", 1) is None


def test_all_of_it_together() -> None:
    policy, zone = "/sys/devices/system/cpu/cpufreq/policy", "/sys/class/thermal/thermal_zone"
    text = "\n".join(
        [
            "edgecls-section thermalservice",
            THERMAL,
            "edgecls-section battery",
            BATTERY,
            "edgecls-section low_power",
            "1",
            "edgecls-section clocks",
            f"{policy}0/scaling_governor=walt",
            f"{policy}0/scaling_cur_freq=1132800",
            f"{policy}0/cpuinfo_max_freq=1804800",
            f"{policy}4/scaling_governor=walt",
            f"{policy}4/scaling_cur_freq=",
            f"{policy}4/cpuinfo_max_freq=2419200",
            "edgecls-section zones",
            f"{zone}0/type=cpu-0-0",
            f"{zone}0/temp=41200",
            f"{zone}1/type=gpu",
            f"{zone}1/temp=0",
        ]
    )
    assert android.conditions(text) == {
        "throttled": False,
        "temperatures_c": {"AP": 25.6, "BAT": 23.8, "battery": 27.4, "cpu-0-0": 41.2},
        "battery_percent": 100,
        "powered_by": "USB",
        "power_mode": "battery saver",
        "governor": "walt",
        "cpu_mhz": [1132.8],
        "cpu_max_mhz": [1804.8, 2419.2],
    }
