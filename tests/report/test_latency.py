"""What a row's latency is worth: intervals, tests, flags, phases, scenarios, memory and energy."""

import io

import pytest
from rich.console import Console

from edgecls.core import FLAGS, write_results
from edgecls.report import flags, recommend, terminal_table, units
from edgecls.report.html import page
from edgecls.report.loading import load
from edgecls.report.markdown import document
from edgecls.report.measuring import reading
from edgecls.report.phases import phase_table
from edgecls.report.points import plot_of
from edgecls.report.scenarios import about, figures
from edgecls.report.table import order, row_table
from edgecls.rundir import Budget


@pytest.fixture
def changed(make_run):
    """changed({index: fields}) -> the loaded run with those rows changed."""

    count = iter(range(9))

    def change(changes):
        made = make_run(name=f"demo{next(count)}")
        rows = [row.with_(**changes.get(i, {})) for i, row in enumerate(made.rows)]
        write_results(made.path / "results.jsonl", rows)
        return load(made.path)

    return change


def printed(rows, width=160):
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(terminal_table(rows))
    return stream.getvalue()


@pytest.fixture
def torch_row(make_row):
    return make_row(model="teacher", target="torch", val_top1=0.98, latency_p50_ms=10.0)


def pair(make_row, p50, **changes):
    """The quickest row, and one beside it with a p-value."""
    fast = make_row(target="a", val_top1=0.98, latency_p50_ms=1.0)
    return fast, make_row(target="b", val_top1=0.98, latency_p50_ms=p50, **changes)


def test_the_interval_stands_under_the_p50_wherever_it_is_shown(changed):
    run = changed({8: {"latency_p50_low": 0.2031, "latency_p50_high": 0.2104}})
    assert "0.207 ms<small>0.203–0.210</small>" in row_table(run)
    assert "0.207 ms (0.203–0.210)" in document(run)
    assert '["95 % interval","0.203\\u20130.210 ms"]' in page(run)
    lines = printed(run.rows).splitlines()
    above = next(i for i, line in enumerate(lines) if "0.203–0.210" in line) - 1
    assert "0.207 ms" in lines[above]


def test_a_row_that_is_not_seen_to_differ_is_said_to_be_none_the_slower(
    torch_row, make_row, make_info
):
    fast, level = pair(make_row, 1.2, latency_p_value=0.31)
    found = recommend([torch_row, fast, level], make_info(budget=Budget(0.02)))
    assert found.row is fast
    assert "no difference in latency was seen (p = 0.31)" in found.verdicts[2].text
    assert found.verdicts[2].text.endswith("its p50 is 1.20× slower, which decides.")
    assert "No difference in latency was seen between it and student · b · fp32." in found.reason
    fast, slow = pair(make_row, 1.2, latency_p_value=0.001)
    other = recommend([torch_row, fast, slow], make_info(budget=Budget(0.02)))
    assert other.verdicts[2].text == "Keeps the budget, but is 1.20× slower."
    assert "No difference" not in other.reason


def test_a_tie_by_the_rule_is_not_called_noise_where_a_difference_was_seen(
    torch_row, make_row, make_info
):
    fast, near = pair(make_row, 1.02, latency_p_value=0.001, size_bytes=90_000)
    found = recommend([torch_row, fast, near], make_info(budget=Budget(0.02)))
    assert found.row is near
    assert "2.0 % apart, p = 0.0010: a difference was seen" in found.verdicts[1].text
    fast, near = pair(make_row, 1.02, latency_p_value=0.4, size_bytes=90_000)
    found = recommend([torch_row, fast, near], make_info(budget=Budget(0.02)))
    assert "no difference in latency was seen (p50 2.0 % apart, p = 0.40)" in found.verdicts[1].text


def test_two_rows_that_were_not_tested_against_each_other_get_no_p_value(
    torch_row, make_row, make_info
):
    """Both were tested against a row that is quicker than both, and breaks the budget."""
    quickest = make_row(target="q", val_top1=0.5, latency_p50_ms=0.9)
    fast, level = pair(make_row, 1.2, latency_p_value=0.5)
    rows = [torch_row, quickest, fast.with_(latency_p_value=0.5), level]
    found = recommend(rows, make_info(budget=Budget(0.02)))
    assert found.verdicts[3].text == "Keeps the budget, but is 1.20× slower."


def test_every_flag_has_a_badge_and_a_sentence_in_all_three(changed):
    assert set(flags.SENTENCES) == set(FLAGS)
    run = changed({8: {"flags": FLAGS}})
    table, text, told = row_table(run), document(run), printed(run.rows)
    for flag, sentence in flags.SENTENCES.items():
        assert table.count(f'<span class="badge doubt">{flag}</span>') == 1
        assert sentence in table
        assert f"- {flag}: {sentence}" in text
        assert f"{flag}: {sentence}" in told
    assert f"({', '.join(FLAGS)})" in text
    assert "doubt" not in row_table(changed({}))


def test_the_recommendation_says_what_makes_its_figures_doubtful(changed):
    run = changed({9: {"flags": ("steal",), "latency_p50_low": 0.0961, "latency_p50_high": 0.0989}})
    top = page(run).split("<nav")[0].replace("\u00a0", " ").replace("\u2060", "")
    assert flags.SENTENCES["steal"] in top and "95 % interval 0.0961–0.0989 ms" in top
    assert "badge doubt" not in page(changed({})).split("<nav")[0].split("</style>")[1]


def test_how_to_read_the_figures_follows_the_rows(make_row):
    plain = [make_row()]
    assert len(reading(plain)) == 2 and "single queries" in reading(plain)[0]
    mixed = [make_row(), make_row(scenario="offline")]
    assert "rows of different scenarios are not compared" in reading(mixed)[0]
    assert "round by round" in reading([make_row(latency_p_value=0.2)])[2]


def test_phases_have_a_bar_and_their_figures(changed):
    phases = {"decode_p50_ms": 0.05, "preprocess_p50_ms": 0.03, "postprocess_p50_ms": 0.002}
    run = changed({8: phases})
    table = phase_table(run, order(run))
    assert table.count("<tr") == 2 and table.count('style="--v:') == 4
    assert "0.0500 ms" in table and "0.00200 ms" in table
    assert "| student · openvino · fp32 | 0.0500 ms | 0.0300 ms | 0.207 ms |" in document(run)
    old = changed({})
    assert phase_table(old, order(old)) is None
    assert "From the image to the answer" not in page(old) + document(old)


def test_memory_is_what_the_model_takes_where_that_is_known(changed):
    run = changed({8: {"memory_bytes": 21_000_000}})
    table = row_table(run)
    assert "21.0 MB<small>peak 111 MB</small>" in table and "98.0 MB" not in table
    assert "98.0 MB" in row_table(changed({}))


def test_energy_has_a_column_and_an_axis_only_where_it_was_measured(changed):
    run = changed({8: {"energy_mj": 1.234}})
    assert "1.23 mJ" in page(run) and '<option value="energy">' in page(run)
    assert "mJ</td>" not in page(changed({})) and '"energy">' not in page(changed({}))


def test_rows_of_other_scenarios_are_not_compared(make_run):
    made = make_run()
    more = [
        made.rows[9].with_(scenario="multi-stream", protocol={"samples_per_query": 8}),
        made.rows[9].with_(scenario="offline", protocol={"samples_per_query": 256}),
        made.rows[9].with_(scenario="server", qps=400.0, latency_p90_ms=3.5),
    ]
    more = [row.with_(latency_p50_ms=0.001, throughput_per_s=5120.0) for row in more]
    write_results(made.path / "results.jsonl", [*made.rows, *more])
    run = load(made.path)
    assert run.recommendation.index == 9
    kinds = [verdict.kind for verdict in run.recommendation.verdicts[-3:]]
    assert kinds == ["apart"] * 3
    assert len(plot_of(run, "validation").points) == 10
    assert [about(row) for row in more] == [
        "multi-stream, 8 images a query",
        "offline, 256 images at once",
        "server, 400 queries/s",
    ]
    assert figures(more[1]) == "Offline, 256 images at once: 5,120 images/s."
    assert "p90 3.50 ms from arrival, 5,120 images/s." in figures(more[2])
    for text in (page(run), document(run)):
        assert "Other scenarios" in text and "offline, 256 images at once" in text
    # In verdicts alone, of the two that have a latency.
    assert row_table(run).replace("\u00a0", " ").count("0.00100 ms") == 2
    told = printed(run.rows)
    assert told.count("0.00100 ms") == 2
    assert "scenario: server, 400 queries/s; latencies count from the arrival" in told


def test_rows_that_are_all_of_one_other_scenario_are_compared(torch_row, make_row, make_info):
    fast, slow = pair(make_row, 2.0)
    rows = [each.with_(scenario="server", qps=10.0) for each in (torch_row, fast, slow)]
    found = recommend(rows, make_info(budget=Budget(0.02)))
    assert found.index == 1 and found.verdicts[2].kind == "slower"
    assert "Images/s" in printed(rows)


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_stays_readable_where_it_is_narrow(changed, width):
    run = changed({8: {"latency_p50_low": 0.2031, "latency_p50_high": 0.2104, "flags": ("drift",)}})
    lines = printed(run.rows, width).splitlines()
    assert max(map(len, lines)) <= width
    told = "\n".join(lines)
    # No name and no figure is broken, and every reason is said once.
    for row in run.rows:
        if row.measured == "ok":
            figure = units.milliseconds(row.latency_p50_ms)
            assert any({row.model, row.target} <= set(x.split()) and figure in x for x in lines)
    assert told.count("this machine has no NVIDIA GPU") == 1
    assert "0.203–0.210" in told and "drift" in told


def test_devices_stand_apart_in_a_narrow_terminal(make_row):
    rows = [make_row(), make_row(device="ssh://pi@pi", latency_p50_ms=9.0)]
    lines = [line.rstrip() for line in printed(rows, 80).splitlines()]
    assert "On host" in lines and "On ssh://pi@pi" in lines


def test_a_change_is_in_percent_and_in_times_from_twice_on():
    found = [units.change(value, 1.0) for value in (1.0, 1.0004, 1.05, 1.74, 0.83, 2.4)]
    assert found == ["the same", "the same", "+5.0 %", "+74 %", "−17 %", "2.4×"]
