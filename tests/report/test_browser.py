"""The page in a browser: it draws, sorts, filters, hints and copies, and complains of nothing.

Where `EDGECLS_AXE` names axe-core's ``axe.min.js`` (npm: axe-core), the page is audited with it.
"""

import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, make_run):
    """A report with hostile names, open in the browser: (browser, run)."""
    from edgecls.report import write_report

    made = make_run(hostile=True)
    browser.get(write_report(made.path).as_uri())
    yield browser, made
    assert browser.get_log("browser") == []


def find(browser, selector):
    return browser.find_elements("css selector", selector)


def column(browser, index):
    script = (
        "return [...document.querySelectorAll('#rows tbody')]"
        ".map((body) => body.rows[0].cells[arguments[0]].dataset.v)"
    )
    return browser.execute_script(script, index)


def test_the_plot_and_every_row_are_there(opened):
    browser, made = opened
    measured = [row for row in made.rows if row.measured == "ok"]
    assert len(find(browser, ".plot.validation svg a.point")) == len(measured)
    assert find(browser, ".plot.validation svg")[0].size["width"] > 600
    assert len(find(browser, "#rows tbody")) == len(made.rows)
    assert "Ship student · openvino · int8." in find(browser, ".hero")[0].text


def test_a_click_sorts_the_table_up_and_down_with_empty_cells_last(opened):
    browser, made = opened
    names = [head.text for head in find(browser, "#rows thead th")]
    size = names.index("Size")
    button = find(browser, "#rows thead th button")[size]
    button.click()
    known = sorted(float(row.size_bytes) for row in made.rows if row.size_bytes)
    assert [float(v) for v in column(browser, size) if v] == known
    assert column(browser, size)[-1] == ""
    assert find(browser, "#rows thead th")[size].get_attribute("aria-sort") == "ascending"
    button.click()
    assert [float(v) for v in column(browser, size) if v] == known[::-1]
    assert column(browser, size)[-1] == ""
    assert len(find(browser, "#rows tbody tr.why")) == len(made.rows)


def test_the_keyboard_sorts_and_gets_the_hint_of_a_point(opened):
    browser, _ = opened
    head = find(browser, "#rows thead th button")[0]
    head.send_keys("\ue007")
    assert column(browser, 0) == sorted(column(browser, 0))
    browser.execute_script("document.querySelector('a.point').focus()")
    tip = find(browser, "#tip")[0]
    assert tip.is_displayed()
    assert "teacher · torch · fp32" in tip.text
    browser.switch_to.active_element.send_keys("\ue00c")
    assert not tip.is_displayed()


def test_the_radio_buttons_choose_the_split(opened):
    browser, _ = opened
    validation, test = find(browser, ".plot.validation")[0], find(browser, ".plot.test")[0]
    assert validation.is_displayed() and not test.is_displayed()
    find(browser, "label[for=on-test]")[0].click()
    assert test.is_displayed() and not validation.is_displayed()


def test_the_command_has_a_button_that_copies_it(opened):
    browser, _ = opened
    button = find(browser, "pre.copy button")[0]
    button.click()
    browser.execute_async_script("setTimeout(arguments[0], 100)")
    assert button.text in ("Copied", "Selected")


def test_no_file_name_becomes_markup(opened):
    browser, _ = opened
    assert 'alert("x")' in find(browser, "#data")[0].get_attribute("textContent")
    assert len(find(browser, "script")) == 2


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_no_wider_than_the_screen(opened, width):
    browser, _ = opened
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    inside = browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert inside


def points(browser, split="validation"):
    found = find(browser, f".plot.{split} svg a.point")
    return [int(point.get_attribute("data-row")) for point in found]


def shown_rows(browser):
    script = (
        "return [...document.querySelectorAll('#rows tbody')]"
        ".filter((body) => !body.hidden).map((body) => Number(body.dataset.row))"
    )
    return sorted(browser.execute_script(script))


def press(browser, selector, key=" "):
    """Reach an element as the keyboard does, and press a key on it."""
    browser.execute_script("document.querySelector(arguments[0]).focus()", selector)
    browser.switch_to.active_element.send_keys(key)


def told(browser):
    return find(browser, "#told")[0].text


def test_chips_filter_plot_and_table_by_keyboard_and_it_is_told(opened):
    browser, made = opened
    assert told(browser) == "15 of 15 rows are shown; 10 in the plot, 4 of them on the front."
    press(browser, "[data-filter=target] input[value=openvino]")
    rest = [i for i, row in enumerate(made.rows) if row.target != "openvino"]
    assert shown_rows(browser) == rest
    assert set(points(browser)) == {i for i in rest if made.rows[i].measured == "ok"}
    press(browser, "[data-filter=precision] input[value=int8]")
    assert set(points(browser)) == {0, 1, 5, 6}
    assert told(browser) == "6 of 15 rows are shown; 4 in the plot, 2 of them on the front."
    assert "6 of 15 rows are shown." in find(browser, ".left-out")[0].text
    # The front is that of what is shown: the quickest float row, which was not on it, begins it.
    front = find(browser, ".plot.validation svg .front")[0].get_attribute("points").split()
    mark = find(browser, ".plot.validation a[data-row='6'] .mark")[0]
    assert front[0].split(",")[0] == mark.get_attribute("cx")
    find(browser, ".left-out button")[0].click()
    assert len(points(browser)) == 10 and len(shown_rows(browser)) == len(made.rows)
    assert not find(browser, ".left-out")[0].is_displayed()


def test_a_point_that_was_drawn_anew_has_its_hint_and_its_row(opened):
    browser, _ = opened
    press(browser, "[data-filter=target] input[value=torch]")
    browser.execute_script("document.querySelector('a.point[data-row=\"9\"]').focus()")
    tip = find(browser, "#tip")[0]
    assert tip.is_displayed() and "student · openvino · int8" in tip.text
    assert browser.switch_to.active_element.get_dom_attribute("href") == "#row-9"


@pytest.mark.parametrize(
    ("axis", "title", "budget"),
    [("p90", "p90", "p90 ≤ 2 ms"), ("end_to_end", "answer", ""), ("size", "Size", "≤ 2 MB")],
)
def test_the_axis_across_is_chosen_with_its_budget(opened, axis, title, budget):
    from selenium.webdriver.support.ui import Select

    browser, made = opened
    Select(find(browser, "#across")[0]).select_by_value(axis)
    text = find(browser, ".plot.validation svg")[0].text
    assert title in text and (not budget or f"budget: {budget}" in text)
    assert "budget: at least 97.61 %" in text
    limits = find(browser, ".plot.validation svg line.limit")
    assert len(limits) == (2 if budget else 1)
    fields = {"p90": "latency_p90_ms", "end_to_end": "end_to_end_p50_ms", "size": "size_bytes"}
    script = (
        "return [...document.querySelectorAll('.plot.validation a.point')].map((point) =>"
        " [Number(point.dataset.row), point.querySelector('.mark').getBBox().x])"
    )
    places = sorted(browser.execute_script(script), key=lambda each: each[1])
    values = [getattr(made.rows[i], fields[axis]) for i, _ in places]
    # Markers of two shapes differ by a pixel in where their boxes begin.
    assert all(right > 0.9 * left for left, right in pairwise(values))


def test_scales_and_area_change_the_plot_and_reset_brings_the_first_one_back(opened):
    browser, _ = opened
    first = find(browser, ".plot.validation svg")[0].get_attribute("innerHTML")
    for switch in ("#log-x", "#log-y", "#area"):
        press(browser, switch)
    changed = find(browser, ".plot.validation svg")[0]
    assert "log scale of the error" in changed.text
    radii = {
        round(float(mark.get_attribute("r")), 1)
        for mark in find(browser, ".plot.validation a.point circle.mark")
    }
    assert len(radii) > 2
    press(browser, "#reset", "\ue007")
    assert find(browser, ".plot.validation svg")[0].get_attribute("innerHTML") == first
    assert browser.switch_to.active_element.get_attribute("id") == "across"


def test_all_rows_can_be_filtered_out(opened):
    browser, _ = opened
    for box in find(browser, "[data-filter=precision] input"):
        browser.execute_script("arguments[0].click()", box)
    assert points(browser) == [] and shown_rows(browser) == []
    assert "No row is left to show." in find(browser, ".plot.validation svg")[0].text


def test_without_a_script_the_plot_stands_and_no_control_is_there(browser, make_run):
    from edgecls.report import write_report

    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(write_report(make_run(name="still").path).as_uri())
        assert len(find(browser, ".plot.validation svg a.point")) == 10
        assert not find(browser, "#controls")[0].is_displayed()
        assert find(browser, ".legend .doubled")[0].is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_on_paper_everything_is_open_and_the_controls_are_gone(opened):
    browser, _ = opened
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert all(fold.get_attribute("open") for fold in find(browser, "details"))
        assert not find(browser, "#controls")[0].is_displayed()
        assert find(browser, ".legend .doubled")[0].is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.fixture
def compared(browser, make_run, tmp_path):
    """A comparison of two runs and of a third about other images, open in the browser."""
    from edgecls.report import write_comparison

    specs = [("teacher", "torch", "fp32", None, 3.0, 9000, 5, 6)]
    specs += [("student", "openvino", "int8", None, 0.05, 900, 6, 6)]
    made = [make_run(name="one"), make_run(name="two", specs=specs)]
    made.append(make_run(name="three", labels=("a", "b"), specs=specs))
    browser.get(write_comparison([m.path for m in made], tmp_path / "all.html").as_uri())
    yield browser
    assert browser.get_log("browser") == []


def test_a_comparison_is_filtered_by_run_in_all_its_plots_and_tables(compared):
    browser = compared
    assert len(find(browser, "table.rows")) == 2
    press(browser, "[data-filter=run] input[value=one]")
    assert len(find(browser, ".plot.validation")[0].find_elements("css selector", "a.point")) == 2
    assert len(find(browser, ".plot.validation")[1].find_elements("css selector", "a.point")) == 2
    assert "7 of 22 rows are shown." in find(browser, ".left-out")[0].text
    assert not find(browser, ".left-out")[1].is_displayed()


AXE = os.environ.get("EDGECLS_AXE", "")


@pytest.mark.skipif(not AXE, reason="EDGECLS_AXE names no axe.min.js (npm: axe-core)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, scheme):
    browser, _ = opened
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    browser.set_script_timeout(120)
    browser.execute_script(Path(AXE).read_text(encoding="utf-8"))
    found = browser.execute_async_script(
        "const done = arguments[0];"
        "axe.run(document, { resultTypes: ['violations'] }).then((result) => done("
        "result.violations.map(({ id, impact, nodes }) => [id, impact, nodes[0].html])))"
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert [each for each in found if each[1] in ("serious", "critical")] == []
