"""Rows of several devices: none is compared with another device's, and each device gets its own."""

from __future__ import annotations

import io

from rich.console import Console

from edgecls.core import write_results
from edgecls.report import recommend
from edgecls.report.loading import load
from edgecls.report.points import plot_of
from edgecls.report.recommend import explain
from edgecls.report.terminal import terminal_table
from tests.report.conftest import info, row

PI, JETSON = "ssh://pi@pi", "ssh://nv@orin"
BUNDLES = {"onnxruntime": "a" * 64, "openvino": "b" * 64}


def measured(target: str, device: str, p50: float, **more: object):
    """A row as `edgecls bench` writes it: on a device without validation accuracy."""
    scored = {} if device == "host" else {"val_top1": None, "val_top1_low": None}
    return row(
        target=target,
        device=device,
        latency_p50_ms=p50,
        latency_p90_ms=p50 * 1.1,
        bundle_sha256=BUNDLES.get(target),
        **{**scored, **more},
    )


ROWS = [
    row(model="teacher", target="torch", latency_p50_ms=9.0),
    measured("onnxruntime", "host", 2.0),
    measured("openvino", "host", 1.0),
    measured("onnxruntime", PI, 30.0),
    measured("openvino", PI, 50.0),
    measured("openvino", JETSON, 0.5),
]


def test_each_device_has_a_recommendation_of_its_own() -> None:
    found = recommend(ROWS, info())
    assert [i for i, each in enumerate(found.marked()) if each.recommended] == [2, 3, 5]
    assert found.index == 2 and found.others == (3, 5)
    assert found.headline == "Ship student · openvino · fp32."
    assert found.elsewhere[0] == f"On {PI}: student · onnxruntime · fp32, 30.0 ms (p50)."
    kinds = [verdict.kind for verdict in found.verdicts]
    assert kinds == ["reference", "slower", *["recommended"] * 2, "slower", "recommended"]
    # 50 against the same device's 30, not against the 1 of this machine.
    assert "1.67× slower" in found.verdicts[4].text
    assert "fastest of the 2 rows" in found.verdicts[2].text.replace("The fastest", "fastest")


def test_the_marks_in_the_rows_are_kept_for_each_device() -> None:
    rows = [each.with_(recommended=i in (1, 4)) for i, each in enumerate(ROWS)]
    found = explain(rows, info())
    assert found.index == 1 and found.others == (4, 5)


def test_a_device_alone_is_recommended_for() -> None:
    found = recommend([ROWS[0], *ROWS[3:5], measured("onnxruntime", "host", 0.0)], info())
    assert found.index == 1 and found.headline.endswith(f"· {PI}.")


def test_a_bundle_without_any_validation_accuracy_is_not_recommended() -> None:
    alone = measured("onnxruntime", PI, 30.0).with_(bundle_sha256="c" * 64)
    found = recommend([*ROWS[:3], alone], info())
    assert found.others == ()
    assert "validation accuracy was not measured" in found.verdicts[3].text


def test_the_front_of_the_plot_is_one_devices(make_run) -> None:
    made = make_run()
    other = [
        each.with_(
            device=JETSON, latency_p50_ms=(each.latency_p50_ms or 1) / 100, recommended=False
        )
        for each in made.rows
        if each.measured == "ok"
    ]
    write_results(made.path / "results.jsonl", [*made.rows, *other])
    plot = plot_of(load(made.path), "test")
    assert plot is not None
    assert {point.row.device for point in plot.points} == {"host", JETSON}
    assert {point.row.device for point in plot.compared} == {"host"}


def printed(rows: list) -> str:
    told = io.StringIO()
    Console(width=200, file=told).print(terminal_table(rows))
    return told.getvalue()


def test_the_terminal_tells_devices_apart_only_where_there_are_several() -> None:
    assert "Device" not in printed(ROWS[:3])
    lines = [line for line in printed(ROWS).splitlines() if "student" in line]
    assert [line.split()[3] for line in lines] == ["host", "host", PI, PI, JETSON]


def test_throttling_is_flagged_wherever_the_row_is_shown(make_run) -> None:
    from edgecls.report.markdown import document
    from edgecls.report.table import row_table

    made = make_run()
    rows = [
        each.with_(environment={"throttled": "yes" if i == 6 else "no"})
        for i, each in enumerate(made.rows)
    ]
    write_results(made.path / "results.jsonl", rows)
    run = load(made.path)
    assert str(row_table(run)).count("<small>throttled</small>") == 1
    assert document(run).count("(throttled)") == 1
    assert printed(rows).count("throttled while it was measured") == 1


def test_the_script_knows_the_devices_whose_front_is_not_drawn(make_run) -> None:
    """It draws the first that has a point where the others are filtered out."""
    from edgecls.report.hints import plots

    made = make_run()
    other = [each.with_(device=JETSON) for each in made.rows if each.measured == "ok"]
    write_results(made.path / "results.jsonl", [*made.rows, *other])
    for each in plots(load(made.path)):
        assert (each["devices"], each["every"]) == (("host", JETSON), False)


def offline(target: str, p50: float):
    return measured(target, PI, p50, scenario="offline", throughput_per_s=5120.0)


def test_a_device_that_was_given_whole_lots_alone_gets_no_recommendation(make_run) -> None:
    from edgecls.report.markdown import document
    from edgecls.report.table import row_table

    found = recommend(
        [*ROWS[:3], offline("onnxruntime", 250.0), offline("openvino", 500.0)], info()
    )
    assert found.others == ()
    assert [verdict.kind for verdict in found.verdicts[3:]] == ["apart"] * 2
    assert "5,120 images/s. The time of a whole lot is no latency" in found.verdicts[3].text
    alone = recommend([ROWS[0], offline("onnxruntime", 250.0)], info())
    assert "Whole lots alone were measured (offline)" in alone.evidence
    made = make_run()
    lots = [
        each.with_(device=PI, scenario="offline", latency_p50_ms=250.0, latency_p90_ms=260.0)
        for each in made.rows
        if each.measured == "ok"
    ]
    write_results(made.path / "results.jsonl", [*made.rows, *lots])
    run = load(made.path)
    for text in (row_table(run), document(run), printed(list(run.rows))):
        assert not any(f"{time} ms" in text.replace("\u00a0", " ") for time in (250, 260))
    for split in ("validation", "test"):
        plot = plot_of(run, split)
        assert plot is not None and {point.row.device for point in plot.points} == {"host"}


def test_a_server_is_judged_though_whole_lots_were_measured_first() -> None:
    server = measured("openvino", PI, 3.0, scenario="server", qps=10.0)
    found = recommend([*ROWS[:3], offline("onnxruntime", 250.0), server], info())
    assert found.others == (4,)
