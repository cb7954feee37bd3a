"""The parts of the C++ kit against their originals, and under hostile input with sanitizers."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import re
import struct
from collections.abc import Callable
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecls.device import conditions, energy, load, overflow, readings, stats
from edgecls.kits import kits_folder

Check = Callable[..., list[dict[str, Any]]]
HEADERS = kits_folder() / "cpp" / "src"


def members(struct_name: str, header: str) -> list[str]:
    """The data members of a struct, in order."""
    text = (HEADERS / header).read_text(encoding="utf-8")
    (body,) = re.findall(rf"^struct {struct_name} {{\n(.*?)^}};", text, re.M | re.S)
    lines = [line for line in body.splitlines() if "(" not in line.split("//")[0].split("=")[0]]
    return [
        found[1] for line in lines if (found := re.match(r"  [\w:<>, ]+ (\w+)(?:[ ={;])", line))
    ]


def test_the_readers_fields_are_the_schemas() -> None:
    schema = json.loads((kits_folder() / "meta.schema.json").read_text(encoding="utf-8"))
    properties = schema["properties"]
    assert members("Meta", "meta.h") == list(properties)
    for name, struct_name, header in (
        ("golden", "Golden", "meta.h"),
        ("postprocess", "Postprocess", "meta.h"),
        ("preprocess", "Preprocess", "preprocess.h"),
    ):
        assert members(struct_name, header) == list(properties[name]["properties"])


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 1_000_000, (1 << 20) + 7])
def test_sha256(check: Check, tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    (tmp_path / "file").write_bytes(data)
    (answer,) = check([{"do": "sha256", "path": str(tmp_path / "file")}])
    assert answer["hash"] == hashlib.sha256(data).hexdigest()


def test_json_is_read_and_written_as_python_does(check: Check, tmp_path: Path) -> None:
    value = {
        "text": 'Käfer 甲虫 😀 " \\ / \b\f\n\r\t\x7f \u0000',
        "numbers": [0, -1, 1.5, -2.5e-10, 1e300, 0.1, 1 / 3, 123456789012, 2.0],
        "nested": [[], {}, [None, True, False], {"a": {"b": [1]}}],
        "lone byte": os.fsdecode(b"caf\xe9"),
    }
    for text in (json.dumps(value), json.dumps(value, indent=3).replace("\\udce9", "e")):
        (tmp_path / "file").write_text(text, encoding="utf-8")
        (answer,) = check([{"do": "json", "path": str(tmp_path / "file")}])
        assert answer["value"] == json.loads(text)
    (tmp_path / "file").write_text('{"a": 1, "a": 2, "k": "\u7532"}', encoding="utf-8")
    (answer,) = check([{"do": "json", "path": str(tmp_path / "file")}])
    assert answer["value"]["k"] == "甲"


NO_JSON = [
    b"", b"{", b"[1,]", b'{"a":}', b'{"a" 1}', b"{1: 2}", b"01", b"1.", b".5", b"+1", b"1e", b"-",
    b"NaN", b"Infinity", b"1e999", b"tru", b"[1 2]", b"[] []", b'"\x01"', b'"\xff"', b'"\xc0\x80"',
    b'"\xed\xa0\x80"', b'"\\x"', b'"\\u12"', b'"\\ud800"', b'"\\ud800\\u0041"', b'"\\udc00"', b'"a',
    b"'a'", b"[" * 100_000, b'{"a":' * 100_000, b"\x00", b'"\\', b"\xef\xbb\xbf{}",
]  # fmt: skip


def test_what_is_no_json_is_an_error(sanitized: Check, tmp_path: Path) -> None:
    requests = []
    for index, text in enumerate(NO_JSON):
        (tmp_path / str(index)).write_bytes(text)
        requests.append({"do": "json", "path": str(tmp_path / str(index))})
    for text, answer in zip(NO_JSON, sanitized(requests), strict=True):
        assert not answer["ok"] and "no JSON" in answer["error"], text[:40]


@pytest.mark.parametrize("shape", [(1, 2, 3, 1), (0, 4, 4, 3), (3, 32, 32, 3)])
def test_npy_of_images_is_numpys(check: Check, tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.save(tmp_path / "in.npy", array)
    (answer,) = check([
        {"do": "images", "path": str(tmp_path / "in.npy"), "output": str(tmp_path / "out.npy")}
    ])  # fmt: skip
    assert answer["ok"]
    assert (tmp_path / "out.npy").read_bytes() == (tmp_path / "in.npy").read_bytes()


def test_npy_of_logits_is_numpys(check: Check, tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(7, 10)).astype(np.float32)
    for version in ((1, 0), (2, 0)):
        with (tmp_path / "in.npy").open("wb") as stream:
            np.lib.format.write_array(stream, array, version=version)
        check([{"do": "logits", "path": str(tmp_path / "in.npy"), "output": str(tmp_path / "o")}])
        assert np.array_equal(np.load(tmp_path / "o"), array)


def hostile_arrays() -> dict[str, bytes]:
    def header(text: str, data: bytes = b"") -> bytes:
        padded = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + data

    def of(descr: str, shape: str, order: str = "False", data: bytes = b"") -> bytes:
        return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}", data)

    good = of("'|u1'", "(1, 2, 2, 1)", data=bytes(4))
    return {
        "empty": b"",
        "magic alone": b"\x93NUMPY",
        "cut header": good[:40],
        "cut data": good[:-1],
        "more data": good + b"x",
        "long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + b"{}",
        "no dict": header("no dict at all"),
        "huge": of("'|u1'", "(999999999999, 999999999999, 999999999999, 9)"),
        "overflow": of("'|u1'", "(4294967296, 4294967296, 1, 1)"),
        "digits": of("'|u1'", f"({'9' * 40}, 1, 1, 1)"),
        "negative": of("'|u1'", "(-1, 2, 2, 1)", data=bytes(4)),
        "objects": of("'|O'", "(1, 2, 2, 1)", data=bytes(32)),
        "structured": of("[('a', '|u1')]", "(1, 2, 2, 1)", data=bytes(4)),
        "fortran": of("'|u1'", "(1, 2, 2, 1)", "True", bytes(4)),
        "float64": of("'<f8'", "(1, 2, 2, 1)", data=bytes(32)),
        "flat": of("'|u1'", "(4,)", data=bytes(4)),
        "nothing": of("'|u1'", "()", data=bytes(1)),
        "pickle": b"\x80\x04\x95",
        "zip": b"PK\x03\x04" + bytes(100),
    }


def test_a_hostile_npy_is_an_error(sanitized: Check, tmp_path: Path) -> None:
    cases = hostile_arrays()
    requests = []
    for index, data in enumerate(cases.values()):
        (tmp_path / str(index)).write_bytes(data)
        for kind in ("images", "logits"):
            path = str(tmp_path / str(index))
            requests.append({"do": kind, "path": path, "output": str(tmp_path / "out")})
    for number, answer in enumerate(sanitized(requests)):
        assert not answer["ok"], list(cases)[number // 2]
        assert "cannot be read" in answer["error"]
    assert not (tmp_path / "out").exists()


def test_percentiles_and_intervals_are_the_harnesss(check: Check) -> None:
    samples = sorted(np.random.default_rng(0).gamma(2, size=700).tolist())
    counts = ((50, 11), (90, 64), (99, 662), (99, 100), (90, 700), (50, 700), (99, 700))
    for percent, count in counts:
        some = [3, *samples[: count - 1]]
        ordered = [float(each) for each in some]
        (answer,) = check([{"do": "bounds", "samples": some, "percent": percent}])
        bound = stats.percentile_upper_bound(ordered, percent)
        assert answer["percentile"] == stats.percentile(ordered, percent)
        assert answer["bound"] == (None if np.isinf(bound) else bound)
        assert answer["wilson"] == pytest.approx(stats.wilson(3, count), rel=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 20_241_201, 2**32, 10**12])
def test_a_servers_queries_arrive_as_those_of_the_harness(check: Check, seed: int) -> None:
    """More of them than the words of the generator's state."""
    (found,) = check([{"do": "arrivals", "qps": 250.0, "seed": seed}])
    draw = random.Random(seed)
    expected = [draw.expovariate(250.0) for _ in found["seconds"]]
    assert len(expected) == 700
    assert found["seconds"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seconds", [0.2, 0.0])
def test_an_overloaded_server_answers_all_that_arrived_in_the_time(
    check: Check, seconds: float
) -> None:
    """Those that still waited at its end would have been the slowest."""
    request = {"do": "sampled", "query_ms": 2, "scenario": "server", "qps": 1000, "seed": 3}
    (found,) = check([{**request, "seconds": seconds, "queries": 60}])
    draw = random.Random(3)
    due = list(accumulate(draw.expovariate(1000) for _ in range(400)))
    assert len(found["samples_ms"]) == max(60, sum(each < seconds for each in due))


def test_whole_lots_are_no_windows_to_settle_in(check: Check) -> None:
    request = {"do": "sampled", "query_ms": 1, "queries": 2, "warmup": 1, "settle": True}
    lots, single = check([{**request, "scenario": "offline"}, request])
    assert (lots["warmup_queries"], len(lots["samples_ms"])) == (1, 2)
    assert single["warmup_queries"] > 1 + 2 * 5


STATS = [
    "cpu  51171 8306 12260 56779 2387 0 547 2379 17 0", "cpu  1 2 3 4 5 6 7 8", "cpu", "",
    "cpu0 1 2 3 4 5 6 7 8 9", "cpu a b c d e f g h", "cpu 1 2 3",
]  # fmt: skip
LOADS = ["5.00 2.66 1.18 8/125 8037", "0.20 0.18 0.12 1/80 11206", "", "a b c d/e 1", "1 1 1 2"]
THREADS = ["7 (it) R 1 8", "7 (it) S 1 8", "7 (a) S (b) R 1", "7 (a) R (b) D 1", ""]


def test_the_kernels_accounts_are_read_as_in_the_harness(check: Check) -> None:
    zeros = "cpu 0 0 0 0 0 0 0 0"
    request = {"do": "load", "before": zeros, "after": zeros, "own_ticks": 0.0}
    for stat, loadavg, thread in zip_longest(STATS, LOADS, THREADS, fillvalue=""):
        (answer,) = check([{**request, "after": stat, "loadavg": loadavg, "thread": thread}])
        assert answer["tasks"] == load.running(loadavg)
        assert answer["runs"] == load.is_running(thread)
        times = load.cpu_times(stat)
        if times is None:
            assert answer["shares"] is None
        else:
            busy, steal, total = times
            assert answer["shares"] == pytest.approx(
                {"others": busy / total, "steal": steal / total}
            )


def test_what_others_use_is_what_all_did_less_ones_own(check: Check) -> None:
    request = {"do": "load", "before": "cpu 100 0 0 50 0 0 0 7", "loadavg": "", "thread": ""}
    after = "cpu 230 0 0 100 0 0 0 27"
    some, all_, none = check([
        {**request, "after": after, "own_ticks": 90.0},
        {**request, "after": after, "own_ticks": 500.0},
        {**request, "after": request["before"], "own_ticks": 0.0},
    ])  # fmt: skip
    assert some["shares"] == pytest.approx({"others": 40 / 200, "steal": 20 / 200})
    assert all_["shares"]["others"] == 0.0
    assert none["shares"] is None


def powercap(root: Path, microjoules: tuple[int, int]) -> Path:
    """The kernel's counters of two packages, and of what is beside and in them."""
    first, second = microjoules
    for zone, name, count in (
        ("intel-rapl:0", "package-0", first), ("intel-rapl:0:0", "core", first),
        ("intel-rapl:1", "package-1", second), ("intel-rapl:2", "psys", 2 * first),
        ("intel-rapl-mmio:0", "package-0", first),
    ):  # fmt: skip
        folder = root / "sys/class/powercap" / zone
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in (("name", name), ("energy_uj", count), ("max_energy_range_uj", 10**7)):
            (folder / file).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize("later", [(3_001_000, 502_000), (100_000, 2000), (1000, 2000)])
def test_energy_is_that_of_all_packages_as_in_the_harness(
    check: Check, tmp_path: Path, later: tuple[int, int]
) -> None:
    for name in ("before", "here"):
        powercap(tmp_path / name, (1_000_000, 2000))
    rapl = energy.Rapl(str(tmp_path / "here"))
    rapl.begin()
    powercap(tmp_path / "here", later)
    paths = {"before": str(tmp_path / "before"), "after": str(tmp_path / "here")}
    (found,) = check([{"do": "joules", **paths}])
    assert found["joules"] == pytest.approx(rapl.end(1.0)["joules"])
    assert found["joules"] > 0 or later == (1000, 2000)


def test_a_counter_that_cannot_be_read_tells_no_energy(check: Check, tmp_path: Path) -> None:
    paths = {"before": str(tmp_path / "before"), "after": str(tmp_path / "after")}
    powercap(tmp_path / "before", (1, 1))
    counter = powercap(tmp_path / "after", (2, 2)) / "sys/class/powercap/intel-rapl:1/energy_uj"
    counter.unlink()
    none, other = check([
        {"do": "joules", **paths}, {"do": "joules", "before": str(tmp_path), "after": str(tmp_path)}
    ])  # fmt: skip
    assert none["joules"] is other["joules"] is None


TEGRASTATS = [
    "RAM 2459/62843MB (lfb 5x4MB) SWAP 0/31421MB CPU [0%@729,off] GR3D_FREQ 0%@[510] "
    "GPU@37.5C PMIC@50C VDD_IN 5079mW/5080mW VDD_CPU_GPU_CV 1001mW/1000mW VDD_SOC 1500mW/1500mW",
    "RAM 1/2MB EMC_FREQ 0% GR3D_FREQ 0% POM_5V_GPU 40/40 POM_5V_IN 2040/2100 POM_5V_CPU 160/160",
    "GPU 310/310 CPU 620/620 SOC 930/930 CV 0/0 VDDRQ 155/155 SYS5V 2000/2000",
    "RAM 1/2MB GPU@37.5C", "VDD_IN mW/9000mW", "VDD_IN 5000", "",
]  # fmt: skip


def test_a_jetsons_power_is_read_as_in_the_harness(check: Check) -> None:
    answers = check([{"do": "watts", "line": line} for line in TEGRASTATS])
    found = [answer["watts"] for answer in answers]
    assert found == pytest.approx([readings.total_watts(line) for line in TEGRASTATS])
    assert found[:2] == [5.079, 2.04] and found[3:] == [None] * 4


@pytest.mark.parametrize(
    ("before", "after", "watts"),
    [
        ("", "VDD_IN 3000mW/1mW\nVDD_IN 7000mW/1", 3.0),
        ("VDD_IN 9000mW/1mW\n", "VDD_IN 3000mW/1mW\nVDD_IN 5000mW/1mW\n", 4.0),
        ("VDD_IN 9000mW/1mW\nVDD_IN 10", "00mW/1mW\nVDD_IN 5000mW/1mW\n", 5.0),
        ("VDD_IN 9000mW/1mW\nVDD_IN 10", "", None),
        ("VDD_IN 9000mW/1mW\nVDD_IN 10", "00mW/1", None),
        ("VDD_IN 9000mW/1mW\n", "", None),
    ],
)
def test_a_jetsons_mean_power_is_of_what_it_said_meanwhile(
    check: Check, before: str, after: str, watts: float | None
) -> None:
    request = {"do": "mean_watts", "said": before + after, "from": len(before)}
    (answer,) = check([request])
    assert answer["watts"] == (None if watts is None else pytest.approx(watts))


def test_conditions_are_the_harnesss(check: Check, tmp_path: Path) -> None:
    files = {
        "devices/system/cpu/cpufreq/policy0/scaling_governor": "powersave",
        "devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1800000",
        "devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq": "2400000",
        "devices/system/cpu/cpufreq/policy4/scaling_governor": "performance",
        "devices/system/cpu/cpufreq/policy4/scaling_cur_freq": "2800000",
        "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3",
        "devices/system/cpu/cpu1/thermal_throttle/package_throttle_count": "4",
        "class/thermal/thermal_zone0/type": "cpu-thermal",
        "class/thermal/thermal_zone0/temp": "51500",
        "class/thermal/thermal_zone1/type": "cpu-thermal",
        "class/thermal/thermal_zone1/temp": "53000",
        "class/thermal/thermal_zone2/type": "off",
        "class/thermal/thermal_zone2/temp": "-256000",
        "class/thermal/cooling_device0/type": "Processor",
        "class/thermal/cooling_device0/cur_state": "1",
        "class/thermal/cooling_device1/type": "fan",
        "class/thermal/cooling_device1/cur_state": "2",
    }
    for name, text in files.items():
        path = tmp_path / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (found,) = check([{"do": "conditions", "root": str(tmp_path)}])
    assert found.pop("ok")
    assert found == conditions.read(str(tmp_path), run=lambda command: None)


@pytest.mark.parametrize("flags", ["fpu avx2 fma", "fpu avx2 avx_vnni", "fpu avx512_vnni", ""])
def test_int8_that_overflows_is_told_as_in_the_harness(
    check: Check, tmp_path: Path, flags: str
) -> None:
    line = f"flags\t\t: {flags}" if flags else "Features\t: fp asimd asimddp"
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n\nprocessor\t: 1\n{line}\n")
    path = str(tmp_path / "cpuinfo")
    for scheme in (None, {}, {"name": "u8s8"}, {"reduce_range": False}, {"reduce_range": True}):
        (answer,) = check([{"do": "overflow", "scheme": scheme, "cpuinfo": path}])
        assert answer["warning"] == overflow.warning(scheme, path)


@pytest.fixture
def engine_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """export/tensorrt/engine.py, whose harness is edgecls.device."""
    import sys

    import edgecls.device
    import edgecls.device.errors

    monkeypatch.setitem(sys.modules, "harness", edgecls.device)
    monkeypatch.setitem(sys.modules, "harness.errors", edgecls.device.errors)
    spec = importlib.util.spec_from_file_location(
        "engine_of_the_kit", kits_folder() / "tensorrt" / "engine.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_engine_is_kept_as_the_python_kit_keeps_it(
    check: Check, engine_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    machine = {"tensorrt": "10.3.0", "gpu": "Orin (nvgpu), 8 GB", "compute_capability": "8.7"}
    stamp = {**machine, "bundle": "0" * 64, "variant": ""}
    request = {"do": "engine", **machine, "bundle": stamp["bundle"]}
    (none,) = check([request])
    assert none["engine"] is None
    (kept,) = check([{**request, "keep": "the engine's bytes"}])
    assert kept["engine"] == "the engine's bytes"
    (path,) = tmp_path.rglob("*.engine")
    assert path.read_bytes() == engine_module.stamped(stamp, b"the engine's bytes")
    cuda = type("Cuda", (), {"name": machine["gpu"], "sm": "8.7"})
    trt = type("Trt", (), {"__version__": "10.3.0", "Runtime": lambda logger: None})
    trt.Logger = type("Logger", (), {"WARNING": 2, "__init__": lambda self, level: None})
    python = engine_module.Engines(trt, cuda, stamp["bundle"], None)
    assert (str(path), python.path) == (kept["path"], kept["path"])
    assert python.is_ready()
    path.write_bytes(engine_module.stamped({**stamp, "tensorrt": "10.7.0"}, b"x"))
    (other,) = check([request])
    assert "another device's engine: its tensorrt is 10.7.0, here it is 10.3.0" in other["error"]
    path.write_bytes(path.read_bytes()[:-1] + b"y")
    (damaged,) = check([request])
    assert damaged["engine"] is None
