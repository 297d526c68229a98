"""report.html in a real browser: no errors, readable on a phone, in the dark, and by a screen reader."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_reports import concurrent, green, red

from pytest_provider_contract.reporting.html import write_html

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
if CHROMIUM is None or DRIVER is None:
    pytest.skip("no Chromium here: apt-get install chromium chromium-driver", allow_module_level=True)
webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium here: it comes with the dev extra")
axe = pytest.importorskip("axe_selenium_python", reason="no axe here: it comes with the dev extra")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGES = {"green": green, "red": red, "concurrent": lambda: concurrent([0, 1, 4, 2, 3])}
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Open:
    def open_(name: str, *, width: int = 1100, dark: bool = False) -> Any:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        browser.get(write_html(PAGES[name](), tmp_path).as_uri())
        return browser

    return open_


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "dark"), [(1100, False), (1100, True), (375, False)])
def test_it_renders_and_is_accessible(name: str, width: int, dark: bool, opened: Open) -> None:
    page = opened(name, width=width, dark=dark)
    assert page.get_log("browser") == []
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(r => r.name)")
    assert loaded == []
    # The page forbids scripts; the checker is one.
    page.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    page.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    checker = axe.Axe(page)
    checker.inject()
    found = checker.run()
    assert len(found["passes"]) > 10
    assert [(v["id"], [n["html"] for n in v["nodes"]][:2]) for v in found["violations"]] == []


def test_the_keyboard_reaches_the_findings_first(opened: Open) -> None:
    page = opened("red")
    page.switch_to.active_element.send_keys("\ue004")  # tab
    assert page.switch_to.active_element.get_attribute("href").endswith("#main")
    reached = set()
    for _ in range(40):
        page.switch_to.active_element.send_keys("\ue004")
        reached.add(page.switch_to.active_element.tag_name)
    assert {"a", "summary", "div", "pre"} <= reached


def test_on_paper_nothing_is_folded_away(opened: Open) -> None:
    page = opened("red")
    folded = "[...document.querySelectorAll('details:not([open]) pre, details:not([open]) td')]"
    visible = f"return {folded}.map(e => e.checkVisibility())"
    assert set(page.execute_script(visible)) == {False}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert set(page.execute_script(visible)) == {True}
