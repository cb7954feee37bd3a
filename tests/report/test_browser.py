"""The page in a browser: it draws, sorts, hints and copies, and complains of nothing."""

import shutil

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
