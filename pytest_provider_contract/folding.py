"""Among pytest's failures each fault once, however many tests it failed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from pytest_provider_contract.reporting import Report
from pytest_provider_contract.reporting.terminal import finding_text


class OneFaultOnce:
    """Shows each fault once among pytest's failures, with its best evidence.

    Every test that failed stays in the counts and in the short summary, which pytest prints
    after the plugins had their say: `unfold` must have been called by then.

    Args:
        report: Gives the run's report, once there is one.
    """

    def __init__(self, report: Callable[[], Report | None]) -> None:
        self._report = report
        self._failed: list[pytest.TestReport] = []
        self._told: set[str | None] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None]:
        """Fold before pytest prints its failures."""
        if (report := self._report()) is not None:
            self._fold(terminalreporter, report)
        return (yield)

    def _fold(self, terminalreporter: Any, report: Report) -> None:
        self._failed = failed = terminalreporter.stats.get("failed", [])
        width = terminalreporter._tw.fullwidth  # noqa: SLF001 - pytest has no public name for it
        verbose = terminalreporter.config.get_verbosity() > 0
        texts = {f.test: finding_text(f, width=width, verbose=verbose) for f in report.findings}
        others = {case.test for finding in report.findings for case in finding.also} - texts.keys()
        self._told = texts.keys() | others
        shown = [each for each in failed if each.nodeid not in others]
        for each in shown:
            if each.nodeid in texts:
                each.longrepr = texts[each.nodeid]
        if failed:
            terminalreporter.stats["failed"] = shown

    def unfold(self, terminalreporter: Any) -> None:
        """Let the short summary have all that failed, each in a line."""
        if self._failed:
            terminalreporter.stats["failed"] = self._failed
            for each in self._failed:
                if each.nodeid in self._told:
                    each.longrepr = str(each.longrepr).partition("\n")[0]
