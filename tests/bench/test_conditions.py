"""What a host told now and then becomes a few words beside a figure."""

from __future__ import annotations

from typing import Any

import pytest

from edgecls.bench.conditions import summary, throttled


def test_a_host_that_tells_nothing_has_no_conditions() -> None:
    assert summary([]) == summary([{}, {}]) == {}


def test_the_extremes_of_a_measurement_are_kept() -> None:
    told = [
        {
            "power_mode": "15W",
            "governor": "schedutil",
            "cpu_mhz": [1190.4, 729.6],
            "cpu_max_mhz": [2201.6, 2201.6],
            "gpu_mhz": 306.0,
            "gpu_max_mhz": 1300.5,
            "temperatures_c": {"cpu": 48.0, "gpu": 46.0},
            "power_mw": {"VDD_IN": 4000},
        },
        {
            "power_mode": "15W",
            "governor": "performance",
            "cpu_mhz": [2201.6],
            "gpu_mhz": 1300.5,
            "temperatures_c": {"cpu": 61.5},
            "power_mw": {"VDD_IN": 9000, "VDD_SOC": 1100},
        },
    ]
    assert summary(told) == {
        "power_mode": "15W",
        "governor": "schedutil → performance",
        "cpu_mhz_seen": [729.6, 2201.6],
        "cpu_max_mhz": 2201.6,
        "gpu_mhz_seen": [306.0, 1300.5],
        "gpu_max_mhz": 1300.5,
        "max_temperature_c": 61.5,
        "max_power_mw": {"VDD_IN": 9000, "VDD_SOC": 1100},
        "throttled": "unknown",
    }


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([{"throttled": False}, {"throttled": True}, {"throttled": False}], "yes"),
        ([{"throttled": False}, {"throttled": False}], "no"),
        ([{"throttle_events": 7}, {"throttle_events": 7}], "no"),
        ([{"throttle_events": 7}, {"throttle_events": 9}], "yes"),
        ([{"throttle_events": 7}], "unknown"),
        ([{"throttled": False, "throttled_since_boot": True}] * 2, "no"),
        (
            [
                {"throttled": False, "throttled_since_boot": False},
                {"throttled": False, "throttled_since_boot": True},
            ],
            "yes",
        ),
        ([{"governor": "performance"}], "unknown"),
    ],
)
def test_throttling_is_seen_or_not_or_unknown(told: list[dict[str, Any]], expected: str) -> None:
    assert throttled(told) == expected
