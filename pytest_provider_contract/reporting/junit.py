"""junit.xml: a test case per rule, for the viewers of GitLab, Jenkins and GitHub."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from pytest_provider_contract.reporting.model import Report, RuleResult
from pytest_provider_contract.reporting.terminal import finding_text
from pytest_provider_contract.rules import CHAPTERS

NAME = "junit.xml"
# What XML 1.0 has no way to write, not even escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(report: Report, directory: Path) -> Path:
    """Write junit.xml and return its path.

    Raises:
        OSError: It can't be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / NAME
    tree = ET.ElementTree(_suites(report))
    ET.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)
    return path


def _suites(report: Report) -> ET.Element:
    root = ET.Element("testsuites", {"name": "provider contract", "time": f"{report.run.duration_s:.3f}"})
    for chapter, title in CHAPTERS.items():
        # What was not selected is no part of this run, and would only hide what was skipped.
        rules = [r for r in report.rules if r.chapter == chapter and r.reason != "not selected"]
        if not rules:
            continue
        suite = ET.SubElement(
            root,
            "testsuite",
            {
                "name": f"{chapter} {title}",
                "tests": str(len(rules)),
                "failures": str(sum(rule.state == "failed" for rule in rules)),
                "errors": "0",
                "skipped": str(sum(rule.state == "not tested" for rule in rules)),
                "timestamp": report.run.started_at.removesuffix("Z"),
                "time": "0",
            },
        )
        _properties(suite, {"target": report.run.url, "profile": report.run.profile, "seed": str(report.run.seed)})
        for rule in rules:
            _case(suite, rule, report)
    return root


def _case(suite: ET.Element, rule: RuleResult, report: Report) -> None:
    case = ET.SubElement(
        suite, "testcase", {"classname": f"provider_contract.{rule.chapter}", "name": rule.id, "time": "0"}
    )
    facts = {"level": rule.level, "source": rule.source, "rule": rule.text, "exercised": str(rule.exercised)}
    if rule.intermittent:
        facts["intermittent"] = rule.intermittent
    if rule.advisory:
        facts["advisory"] = f"{rule.advisory_count}x; {rule.advisory}"
    _properties(case, facts)
    if rule.state == "not tested":
        ET.SubElement(case, "skipped", {"message": _clean(rule.reason or "")})
    elif rule.state == "failed":
        message, text = _failure(rule, report)
        ET.SubElement(case, "failure", {"message": _clean(message), "type": rule.level}).text = _clean(text)


def _failure(rule: RuleResult, report: Report) -> tuple[str, str]:
    finding = next((f for f in report.findings if rule.id in f.rules), None)
    if finding is None:
        return f"{rule.text} {rule.advisory or ''}".strip(), rule.text
    flaky = f" (intermittent: {finding.seen} of {finding.tries} tries)" if finding.intermittent else ""
    message = f"{rule.text} Expected {finding.expected}, actual {finding.actual}{flaky}"
    same = "" if finding.rule == rule.id else f"The same fault as {finding.rule}:\n\n"
    return message, same + finding_text(finding)


def _properties(parent: ET.Element, facts: dict[str, str]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in facts.items():
        ET.SubElement(properties, "property", {"name": name, "value": _clean(value)})


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
