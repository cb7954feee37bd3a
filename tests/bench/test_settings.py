"""What is asked of a row, and what it is called by."""

from __future__ import annotations

from typing import Any

import pytest

from edgecls.bench.settings import LAUNCHES, Protocol, least
from edgecls.errors import UsageError
from edgecls.recipe import BenchSection


def test_five_launches_share_what_a_row_is_asked() -> None:
    protocol = Protocol(queries=662, seconds=10.0)
    assert protocol.launches == LAUNCHES == 5
    asked = protocol.request(launch=0, round_number=0, is_first=True)
    assert asked["queries"] * protocol.launches * protocol.rounds >= 662
    assert asked["seconds"] == pytest.approx(0.5)


def test_a_process_settles_in_its_first_round_alone() -> None:
    first, later = (Protocol().request(0, 2, is_first) for is_first in (True, False))
    assert (first["settle"], later["settle"]) == (True, False)
    assert first["warmup"] > later["warmup"]


def test_offline_warms_up_with_one_lot_and_no_windows_of_them() -> None:
    asked = Protocol(scenario="offline").request(0, 0, is_first=True)
    assert (asked["warmup"], asked["settle"]) == (1, False)


@pytest.mark.parametrize(
    ("seconds", "queries", "mode"),
    [
        (0.8, 700, "short"),
        (9.9, 700, "short"),
        (10.0, 661, "short"),
        (10.0, 662, "quick"),
        (599.0, 5000, "quick"),
        (600.0, 662, "full"),
    ],
)
def test_a_mode_is_what_seconds_and_queries_amount_to(
    seconds: float, queries: int, mode: str
) -> None:
    assert Protocol(queries=queries, seconds=seconds).to_json()["mode"] == mode


def test_a_mode_is_the_least_unless_other_numbers_are_given() -> None:
    assert least("quick", "single-stream") == (10.0, 662)
    assert least("full", "server") == (600.0, 662)
    assert least("full", "single-stream", seconds=3.0) == (3.0, 662)
    assert least("short", "single-stream", queries=9) == (0.8, 9)
    # A query is the whole lot.
    assert least("quick", "offline") == (10.0, 20)
    assert Protocol(queries=20, seconds=10.0, scenario="offline").mode == "quick"


def test_a_recipe_has_a_mode_of_its_own_and_may_name_the_numbers() -> None:
    assert Protocol.of(BenchSection()) == Protocol(queries=700, seconds=0.8)
    assert Protocol.of(BenchSection(mode="full")).seconds == 600
    given = Protocol.of(BenchSection(mode="full", seconds=0, queries=10, launches=1, rounds=2))
    assert given == Protocol(1, 1, 2, 10, 0)


def test_a_scenario_is_asked_for_with_what_it_needs() -> None:
    single = Protocol().request(0, 0, is_first=True)
    # So that a runner that knows no scenarios can be asked.
    assert not {"scenario", "samples_per_query", "qps"} & set(single)
    multi = Protocol(scenario="multi-stream").request(0, 0, is_first=True)
    assert (multi["scenario"], multi["samples_per_query"]) == ("multi-stream", 8)
    lot = Protocol(scenario="offline", samples_per_query=64).request(0, 0, is_first=True)
    assert (lot["scenario"], lot["samples_per_query"], lot["warmup"]) == ("offline", 64, 1)


def test_a_servers_arrivals_differ_from_round_to_round() -> None:
    protocol = Protocol(scenario="server", qps=50.0, seed=7, launches=2, rounds=3)
    asked = [
        protocol.request(launch, number, number == 0) for launch in range(2) for number in range(3)
    ]
    assert [each["seed"] for each in asked] == [7, 8, 9, 10, 11, 12]
    assert {each["qps"] for each in asked} == {50.0}


def test_it_is_recorded_whole() -> None:
    told = Protocol(scenario="multi-stream", early_stop=True, seed=3).to_json()
    assert told == {
        "mode": "short",
        "version": 4,
        "threads": 1,
        "launches": 5,
        "rounds": 4,
        "queries": 700,
        "seconds": 0.8,
        "scenario": "multi-stream",
        "samples_per_query": 8,
        "qps": None,
        "seed": 3,
        "early_stop": True,
    }


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"scenario": "sever"}, "unknown scenario: 'sever'"),
        ({"scenario": "server"}, "a server is asked at a rate"),
        ({"qps": 5.0}, "single-stream has no rate"),
        ({"scenario": "offline", "qps": 5.0}, "offline has no rate"),
        ({"samples_per_query": 4}, "what the model takes at once"),
        ({"scenario": "server", "qps": 5.0, "samples_per_query": 4}, "what the model takes"),
        ({"scenario": "offline", "early_stop": True}, "offline has no percentile"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], cause: str) -> None:
    with pytest.raises(UsageError, match=cause) as caught:
        Protocol(**settings)
    assert caught.value.fix
