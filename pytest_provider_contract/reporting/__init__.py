"""Reports of a run: one model, and a writer per format. Nothing here knows pytest."""

from __future__ import annotations

from pathlib import Path

from pytest_provider_contract.reporting.har import write_hars
from pytest_provider_contract.reporting.json_report import write_json
from pytest_provider_contract.reporting.junit import write_junit
from pytest_provider_contract.reporting.model import PAGE, Report, build_report

__all__ = ["PAGE", "Report", "build_report", "write_json", "write_reports"]


def write_reports(report: Report, directory: Path) -> list[Path]:
    """Write every report into a directory, all of it fit to be shared.

    Raises:
        OSError: One of them can't be written.
    """
    # Few runs want a page, and its templates take time to load.
    from pytest_provider_contract.reporting.html import write_html  # noqa: PLC0415

    return [
        write_json(report, directory),
        write_html(report, directory),
        write_junit(report, directory),
        *write_hars(report, directory),
    ]
