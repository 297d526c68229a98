"""A finding in a terminal: the fixed form, and with ``-v`` the telling request and reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pytest_provider_contract.finding import labelled, render
from pytest_provider_contract.reporting.model import ReportedFinding

_NAMED = 8


def finding_text(finding: ReportedFinding, *, width: int = 100, verbose: bool = False) -> str:
    """A finding as text, with what else failed for its reason.

    Args:
        finding: What to tell.
        width: Columns there are.
        verbose: Whether to add the telling request and its reply.
    """
    lines = [render(asdict(finding) | {"repeated": finding.seen}, width=width)]
    if finding.also_count:
        more = f"{finding.also_count} more test{'s' * (finding.also_count > 1)} failed for this reason"
        if len(finding.rules) > 1:
            more += "; broken: " + ", ".join(finding.rules[:_NAMED]) + ", …" * (len(finding.rules) > _NAMED)
        lines += labelled("also", more, width)
    if verbose and finding.evidence:
        telling = next((e for e in finding.evidence["exchanges"] if e["telling"]), None)
        if telling is not None:
            lines += ["", *_message("request", f"POST {telling['path']}", telling, "request")]
            status = f"HTTP {telling['http_status']}" if telling["http_status"] else f"no reply: {telling['failure']}"
            lines += _message("reply", status, telling, "reply")
    return "\n".join(lines)


def _message(label: str, first: str, exchange: Mapping[str, Any], side: str) -> list[str]:
    lines = [f"  {label:<9} {first}"]
    lines += [f"            {name}: {value}" for name, value in exchange[f"{side}_headers"]]
    lines += [f"            {line}" for line in exchange[f"{side}_body"].splitlines()]
    return lines
