"""HAR: a finding's exchanges for browsers' developer tools and proxies, redacted like the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_provider_contract.reporting.model import Report, ReportedFinding


def write_hars(report: Report, directory: Path) -> list[Path]:
    """Write one file per finding that has evidence, where the finding says.

    Raises:
        OSError: One can't be written.
    """
    written = []
    for finding in report.findings:
        if finding.evidence and "har" in finding.files:
            path = directory / finding.files["har"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(har(finding, report), indent=1) + "\n", encoding="utf-8")
            written.append(path)
    return written


def har(finding: ReportedFinding, report: Report) -> dict[str, Any]:
    """A finding's exchanges as HAR 1.2.

    Connect and TLS are part of ``wait``: only the whole exchange is timed.
    """
    exchanges = finding.evidence["exchanges"] if finding.evidence else ()
    creator = {"name": "pytest-provider-contract", "version": report.run.suite}
    entries = [_entry(exchange, report.run.url) for exchange in exchanges]
    return {
        "log": {"version": "1.2", "creator": creator, "comment": f"{finding.rule} {finding.text}", "entries": entries}
    }


def _entry(exchange: Mapping[str, Any], url: str) -> dict[str, Any]:
    took_ms = max(exchange["ended_ms"] - exchange["started_ms"], 0.0)
    kind = next((value for name, value in exchange["reply_headers"] if name.lower() == "content-type"), "")
    return {
        "startedDateTime": exchange["sent_at"],
        "time": took_ms,
        "request": {
            "method": "POST",
            "url": url + exchange["path"],
            "httpVersion": exchange["http_version"],
            "cookies": [],
            "headers": _headers(exchange["request_headers"]),
            "queryString": [],
            "postData": {"mimeType": "application/json", "text": exchange["request_body"]},
            "headersSize": -1,
            "bodySize": -1,
        },
        "response": {
            "status": exchange["http_status"] or 0,
            "statusText": "",
            "httpVersion": exchange["http_version"],
            "cookies": [],
            "headers": _headers(exchange["reply_headers"]),
            "content": {"size": len(exchange["reply_body"]), "mimeType": kind, "text": exchange["reply_body"]},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
            "comment": exchange["failure"] or "",
        },
        "cache": {},
        "timings": {"send": 0, "wait": took_ms, "receive": 0},
        "comment": f"{exchange['step']} {exchange['words']}" + (" <- here" if exchange["telling"] else ""),
    }


def _headers(headers: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]
