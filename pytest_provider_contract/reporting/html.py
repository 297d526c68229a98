"""report.html: one file without scripts or network, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pytest_provider_contract.checks import grouped
from pytest_provider_contract.diagnosis.cause import Cause
from pytest_provider_contract.reporting.drawing import latency_charts, sequence_diagram, timeline
from pytest_provider_contract.reporting.model import PAGE, Report
from pytest_provider_contract.results import gave_way
from pytest_provider_contract.rules import CHAPTERS

_TEMPLATES = Path(__file__).parent / "templates"
SOURCES = {
    "T": "the provider's troubleshooting guide",
    "D": "the provider's documentation",
    "O": "an older edition of it",
    "I": "common practice",
}


def write_html(report: Report, directory: Path) -> Path:
    """Write report.html and return its path.

    Raises:
        OSError: It can't be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / PAGE
    path.write_text(render_html(report), encoding="utf-8", errors="replace")
    return path


def render_html(report: Report) -> str:
    """The page as text."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        grouped=grouped,
        ms=_ms,
        marked=_marked,
        marked_field=_marked_field,
        wrong=_wrong,
        sequence=sequence_diagram,
        timeline=timeline,
    )
    untested: dict[str, list[str]] = {}
    for rule in report.rules:
        if rule.reason is not None:
            untested.setdefault(rule.reason, []).append(rule.id)
    findings = [asdict(finding) for finding in report.findings]
    return environment.get_template("report.html.j2").render(
        report=report,
        findings=findings,
        sources=SOURCES,
        chapters=CHAPTERS.items(),
        charts=latency_charts(report.callbacks),
        untested=untested,
        gave_way=gave_way(report.gave_way),
        # Our own file, not data.
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"  # noqa: PLR2004 - three digits


def _marked(text: str, wrong: object) -> Markup:
    return Markup("<mark>{}</mark>").format(text) if wrong else escape(text)


def _marked_field(body: str, field: str | None) -> Markup:
    """A body laid out line by line, with the line of one field marked."""
    lines = body.split("\n")
    return Markup("\n").join(_marked(line, field and line.strip().startswith(f'"{field}":')) for line in lines)


def _wrong(cause: Mapping[str, Any]) -> str:
    return Cause(**cause).wrong
