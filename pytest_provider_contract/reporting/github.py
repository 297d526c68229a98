"""What GitHub Actions shows of a run: annotations, and a summary of the job in Markdown."""

from __future__ import annotations

import re

from pytest_provider_contract.finding import brief
from pytest_provider_contract.reporting.model import Report, ReportedFinding
from pytest_provider_contract.rules import CHAPTERS

# GitHub keeps ten annotations of a kind for each step.
_MOST_ANNOTATIONS = 10
_MOST_FINDINGS = 20


def workflow_commands(report: Report) -> list[str]:
    """Workflow commands that put findings, problems and advisories onto the run's page."""
    errors = [_command("error", f"{f.rule} {f.text}", _told(f)) for f in report.findings]
    errors += [_command("error", "provider contract", problem) for problem in report.problems]
    warnings = [
        _command("warning", f"{rule.id} {rule.text}", f"{rule.advisory_count}x; {rule.advisory}")
        for rule in report.rules
        if rule.state == "advisory"
    ]
    return errors[:_MOST_ANNOTATIONS] + warnings[:_MOST_ANNOTATIONS]


def job_summary(report: Report) -> str:
    """The run in Markdown, for ``$GITHUB_STEP_SUMMARY``."""
    sign = {"passed": "✅", "failed": "❌", "unproved": "⚠️"}[report.outcome]
    run = report.run
    facts = f"profile {_code(run.profile)} {_escaped(run.profile_version)}, effort {run.effort}, seed {run.seed}"
    lines = [
        "## Provider contract",
        "",
        f"{sign} **{report.headline}.** {_escaped(report.sentence)}",
        "",
        f"Target {_code(run.url)}, {facts}, {report.callbacks_sent} callbacks.",
        "",
    ]
    lines += [f"- ⚠️ {_escaped(problem)}" for problem in report.problems]
    if report.run.unsigned:
        lines.append("- ⚠️ Unsigned run: no signature rule was tested; this can't certify.")
    for finding in report.findings[:_MOST_FINDINGS]:
        lines += ["", f"### {finding.rule} {_escaped(finding.text)}", "", "| | |", "|---|---|"]
        lines += [f"| {label} | {_escaped(text)} |" for label, text in _rows(finding)]
    if len(report.findings) > _MOST_FINDINGS:
        lines += ["", f"… and {len(report.findings) - _MOST_FINDINGS} more findings."]
    lines += ["", "| chapter | passed | failed | advisory | not tested |", "|---|--:|--:|--:|--:|"]
    for chapter, title in CHAPTERS.items():
        counts = [report.count(state, chapter) for state in ("passed", "failed", "advisory", "not tested")]
        if any(counts[:3]):
            lines.append(f"| {title} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines) + "\n"


def _rows(finding: ReportedFinding) -> list[tuple[str, str]]:
    rows = [("expected", finding.expected), ("actual", f"{finding.actual} ({finding.http})")]
    rows.append(("sequence", " · ".join(brief(finding.sequence)) + " ← here"))
    if finding.intermittent:
        rows.append(("repeats", f"intermittent: seen in {finding.seen} of {finding.tries} tries"))
    if finding.likely:
        rows.append(("likely", finding.likely))
    if finding.also_count:
        rows.append(("also", f"{finding.also_count} more tests; rules {', '.join(finding.rules)}"))
    if "replay" in finding.files:
        rows.append(("replay", finding.files["replay"]))
    return rows


def _told(finding: ReportedFinding) -> str:
    return "\n".join(f"{label}: {text}" for label, text in _rows(finding))


def _command(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _escaped(text: str) -> str:
    """A text whose every character Markdown and HTML show as it is, on one line of a table."""
    flat = re.sub(r"\s+", " ", text)
    return re.sub(r"([\\`*_{}\[\]<>#|~$@!&])", r"\\\1", flat)


def _code(text: str) -> str:
    return "`" + text.replace("`", "'") + "`"
