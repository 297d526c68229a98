"""report.json: the whole report as data, by ``schemas/report.schema.json``."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_provider_contract.reporting.model import Report

NAME = "report.json"


def write_json(report: Report, directory: Path) -> Path:
    """Write report.json and return its path; the bytes depend on the report alone.

    Raises:
        OSError: It can't be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / NAME
    path.write_bytes(json.dumps(report.to_json(), indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    return path
