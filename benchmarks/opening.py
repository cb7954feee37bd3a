"""How long the report of a run takes to open in headless Chromium, and what the page complains of.

The run is of `recipes/thirty-rows.toml`: three nets on the digits, over thirty rows. Each time the
page is opened in a browser process of its own, whose start is not counted: from asking for the page
to the end of its load event, which its own script has then run for, and to the first paint. The
claim: the median of both is under 2 s, nothing stands on the console, and axe-core finds no serious
violation.

    EDGECLS_AXE=…/axe.min.js python benchmarks/opening.py --out FOLDER [--times 10] [RUN]

axe-core is npm's package of that name; without it the page is not audited, which is said. FOLDER
gets pictures of the page as it stands on a desktop, on a narrow screen and in dark mode. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from edgecls import hardware
from edgecls.core import read_results

RECIPE = Path(__file__).resolve().parent / "recipes" / "thirty-rows.toml"
BOUND_S, LEAST_ROWS = 2.0, 30
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DESKTOP, NARROW = (1280, 900), (390, 844)
PAINTED = "return performance.getEntriesByName('first-contentful-paint').map((e) => e.startTime)[0]"
AUDIT = (
    "const done = arguments[0]; axe.run(document, { resultTypes: ['violations'] }).then((result) =>"
    " done(result.violations.map(({ id, impact }) => [id, impact])))"
)


@contextmanager
def browser() -> Iterator[Any]:
    """A browser process of its own, without a profile from before."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        sys.exit("no chromium and chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={_pair(DESKTOP)}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        found = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield found
        finally:
            found.quit()


def _pair(size: tuple[int, int]) -> str:
    return f"{size[0]},{size[1]}"


def made(out: Path) -> Path:
    """The run, unless it stands there."""
    run = out / "run"
    if not (run / "report.html").exists():
        command = [sys.executable, "-m", "edgecls", "run", str(RECIPE), "--out", str(run)]
        subprocess.run(command, check=True)
    return run


def opened(page: Path) -> dict[str, Any]:
    """One opening: seconds to the load event and to the first paint, and the console's lines."""
    with browser() as driver:
        begin = time.perf_counter()
        driver.get(page.resolve().as_uri())
        loaded = time.perf_counter() - begin
        painted = driver.execute_script(PAINTED)
        lines = [line["message"] for line in driver.get_log("browser")]
    return {"loaded_s": loaded, "painted_s": painted / 1e3, "console": lines}


def pictures(page: Path, out: Path) -> None:
    """Of the whole page: ``desktop.png``, ``narrow.png``, ``dark.png``."""
    with browser() as driver:
        for name, size, scheme in (
            ("desktop", DESKTOP, "light"),
            ("narrow", NARROW, "light"),
            ("dark", DESKTOP, "dark"),
        ):
            _as_seen(driver, size, scheme)
            driver.get(page.resolve().as_uri())
            height = driver.execute_script("return document.documentElement.scrollHeight")
            _as_seen(driver, (size[0], height), scheme)
            driver.save_screenshot(str(out / f"{name}.png"))


def _as_seen(driver: Any, size: tuple[int, int], scheme: str) -> None:
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})


def audited(page: Path, axe: str) -> list[str]:
    """The serious and critical violations, in light and in dark mode."""
    found = []
    with browser() as driver:
        driver.set_script_timeout(300)
        for scheme in ("light", "dark"):
            _as_seen(driver, DESKTOP, scheme)
            driver.get(page.resolve().as_uri())
            driver.execute_script(Path(axe).read_text(encoding="utf-8"))
            violations = driver.execute_async_script(AUDIT)
            found += [
                f"{scheme}: {name}"
                for name, impact in violations
                if impact in ("serious", "critical")
            ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="instead of the recipe's")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    run = asked.run or made(asked.out)
    page, rows = run / "report.html", len(read_results(run / "results.jsonl"))
    found = [opened(page) for _ in range(asked.times)]
    pictures(page, asked.out)
    axe = os.environ.get("EDGECLS_AXE", "")
    violations = audited(page, axe) if axe else None
    loaded = median(each["loaded_s"] for each in found)
    painted = median(each["painted_s"] for each in found)
    console = sorted({line for each in found for line in each["console"]})
    holds = max(loaded, painted) < BOUND_S and not console and not violations
    told = {
        "rows": rows,
        "size_bytes": page.stat().st_size,
        "loaded_s": round(loaded, 3),
        "loaded_s_each": [round(each["loaded_s"], 3) for each in found],
        "painted_s": round(painted, 3),
        "console": console,
        "serious_violations": "not audited: EDGECLS_AXE is not set" if not axe else violations,
        "holds": holds and rows >= LEAST_ROWS,
        "machine": hardware.environment(),
    }
    print(json.dumps(told))
    sys.exit(0 if told["holds"] else 1)


if __name__ == "__main__":
    main()
