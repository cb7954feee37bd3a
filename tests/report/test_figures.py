"""The figures: units, confusion, axes, the places of labels."""

import math

import numpy as np
import pytest

from edgecls.report import units
from edgecls.report.labels import Box, Wish, around, place
from edgecls.report.loading import load
from edgecls.report.markup import Html, el, embedded, escape, visible
from edgecls.report.measuring import split_shared
from edgecls.report.metrics import confusion, most_confused, per_class
from edgecls.report.points import pareto, plot_of
from edgecls.report.svg import Axis


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.07431, "0.0743 ms"),
        (0.4196, "0.420 ms"),
        (9.996, "10.0 ms"),
        (12.34, "12.3 ms"),
        (123.4, "123 ms"),
        (1234.0, "1,230 ms"),
        (0.0, "0 ms"),
        (None, "—"),
        (math.inf, "—"),
    ],
)
def test_milliseconds_have_three_significant_digits(value, text):
    assert units.milliseconds(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (987, "987 B"),
        (98_500, "98.5 kB"),
        (999_960, "1.00 MB"),
        (11_200_000, "11.2 MB"),
    ],
)
def test_sizes_are_decimal(count, text):
    assert units.size(count) == text


def test_limits_are_shown_as_they_were_set():
    assert units.size_limit(2_000_000) == "2 MB"
    assert units.size_limit(98_500) == "98.5 kB"
    assert units.size_limit(500) == "500 B"
    assert units.size_limit(100_000) == "100 kB"


def test_points_say_one_point_and_two_points():
    assert units.points(0.01) == "1.00 point"
    assert units.signed_points(-0.0139) == "−1.39 points"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (12.4, "12 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations(seconds, text):
    assert units.duration(seconds) == text


def test_moments_are_readable_and_anything_else_is_left():
    assert units.moment("2026-07-14T09:12:44+00:00") == "14 July 2026, 09:12 UTC"
    assert units.moment("yesterday") == "yesterday"


def test_per_class_figures_follow_their_definitions():
    classes = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 1, 1])
    matrix = confusion(classes, predicted, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    figures = per_class(matrix)
    assert figures[0].precision == 1.0
    assert figures[0].recall == pytest.approx(2 / 3)
    assert figures[1].f1 == pytest.approx(2 * 0.5 / 1.5)
    assert (figures[2].precision, figures[2].recall, figures[2].f1) == (None, 0.0, 0.0)
    assert (figures[3].recall, figures[3].f1, figures[3].support) == (None, None, 0)
    assert most_confused(matrix, 5) == [(0, 1, 1), (2, 1, 1)]


def test_classes_outside_the_labels_are_refused():
    with pytest.raises(ValueError, match="outside"):
        confusion(np.array([0, 5]), np.array([0, 1]), 3)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.01, 0.011), (0.08, 3.0), (1.0, 9000.0)])
def test_an_axis_has_round_ticks_inside_its_range(low, high, log):
    axis = Axis(low, high, 0, 100, log=log)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 16
    assert all(low <= tick <= high for tick in ticks)
    assert [round(axis(v)) for v in (low, high, low / 2, high * 2)] == [0, 100, 0, 100]


def test_no_label_lies_on_another_or_on_a_marker():
    rng = np.random.default_rng(0)
    spots = rng.uniform(0, 400, (60, 2))
    wishes = [Wish("a label", x, y) for x, y in spots]
    markers = [around(x, y, 6) for x, y in spots]
    frame = Box(-20, -20, 420, 420)
    found = place(wishes, markers, [], frame)
    boxes = []
    for spot in found:
        if spot is not None:
            width = 6.5 * len("a label")
            left = {"start": spot.x, "middle": spot.x - width / 2, "end": spot.x - width}[
                spot.anchor
            ]
            boxes.append(Box(left, spot.y - 11, left + width, spot.y + 3))
    assert len(boxes) > 10
    for i, box in enumerate(boxes):
        assert all(box.overlap(other) == 0 for other in [*boxes[:i], *markers])


def test_a_needed_label_is_always_placed():
    frame = Box(0, 0, 300, 100)
    assert place([Wish("needed", 150, 50, needed=True)], [frame], [], frame)[0] is not None
    assert place([Wish("other", 150, 50)], [frame], [], frame)[0] is None


def test_a_row_far_below_leaves_the_others_their_room(make_run):
    specs = [
        ("teacher", "torch", "fp32", None, 5.0, 1000, 5, 5),
        ("student", "a", "fp32", None, 1.0, 1000, 6, 6),
        ("student", "b", "fp32", None, 1.5, 1000, 6, 6),
        ("student", "a", "int8", None, 0.5, 1000, 270, 270),
    ]
    plot = plot_of(load(make_run(specs=specs, images=1000).path), "validation")
    assert [point.below for point in plot.points] == [False, False, False, True]
    assert plot.y.low > 0.9
    assert [p.row.target for p in pareto([p for p in plot.points if not p.below])] == ["a", "torch"]


def test_the_floor_is_drawn_on_validation_alone(make_run):
    run = load(make_run().path)
    assert plot_of(run, "validation").floor == pytest.approx(355 / 360 - 0.01)
    assert plot_of(run, "test").floor is None


def test_text_is_escaped_unless_it_is_markup():
    assert el("b", "<i>", Html("<br>"), title='"&') == '<b title="&quot;&amp;">&lt;i&gt;<br></b>'
    assert escape("\udcff\x07") == "\\udcff\\x07"
    assert visible("ä\tb\n") == "ä\tb\n"


def test_embedded_data_has_no_sign_of_markup_and_no_nan():
    assert embedded({"a": "</script>", "b": math.nan}) == ('{"a":"\\u003c/script\\u003e","b":null}')


def test_what_rows_share_is_said_once():
    same, own = split_shared([{"a": 1, "v": {"x": 1, "y": 2}}, {"a": 1, "v": {"x": 1, "y": 3}}])
    assert same == {"a": 1, "v.x": 1}
    assert own == [{"v.y": 2}, {"v.y": 3}]
