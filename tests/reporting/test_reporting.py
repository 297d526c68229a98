"""The writers of every format, on reports made by hand."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from made_reports import HOSTILE, cause, concurrent, finding, green, red, report_of, with_evidence

from pytest_provider_contract.reporting import write_reports
from pytest_provider_contract.reporting.drawing import lanes_of, sequence_diagram, timeline
from pytest_provider_contract.reporting.github import job_summary, workflow_commands
from pytest_provider_contract.reporting.groups import grouped_findings
from pytest_provider_contract.reporting.har import har
from pytest_provider_contract.reporting.html import render_html
from pytest_provider_contract.reporting.junit import write_junit
from pytest_provider_contract.reporting.terminal import finding_text
from pytest_provider_contract.schemas import first_error

STEPS = ("1 bet 900", "2 rollback(1)", "3 rollback(1) with a new transactionId")


class TestGroups:
    def test_the_same_broken_step_is_one_fault_whatever_was_paid(self) -> None:
        findings = [
            finding("SEQ-01", *STEPS),
            finding("ROLLBACK-08", "1 bet 3", *STEPS[1:], expected="balance 5", actual="balance 8"),
            finding(
                "ROLLBACK-03", "1 balance", "2 bet 1 037", "3 rollback(2)", "4 rollback(2) with a new transactionId"
            ),
        ]
        (group,) = grouped_findings(findings)
        assert [f["rule"] for f in group] == ["ROLLBACK-08", "ROLLBACK-03", "SEQ-01"]

    def test_too_much_and_too_little_are_two(self) -> None:
        less = finding("ROLLBACK-01", *STEPS, actual="balance 100")
        assert len(grouped_findings([finding("ROLLBACK-03", *STEPS), less])) == 2

    def test_the_same_cause_is_one_fault_and_joins_what_each_is_like(self) -> None:
        findings = [
            finding("BET-01", "1 bet 5", causes=[cause("a")]),
            finding("WIN-01", "1 win(1) 5"),
            finding("IDEM-02", "1 win(1) 5", causes=[cause("a")]),
            finding(
                "SIG-01", "1 bet 5 with a bad signature (absent)", expected="an error status", actual="status SUCCESS"
            ),
        ]
        groups = grouped_findings(findings)
        assert [len(group) for group in groups] == [1, 3]
        assert groups[0][0]["rule"] == "SIG-01"

    def test_a_spelling_of_the_body_is_no_better_evidence_than_the_plain_one(self) -> None:
        findings = [finding(rule, "1 bet 5", causes=[cause("a")]) for rule in ("SIG-06", "BET-01", "SEQ-01")]
        assert [each["rule"] for each in grouped_findings(findings)[0]] == ["BET-01", "SIG-06", "SEQ-01"]

    def test_the_same_wrong_reply_is_one_fault_and_another_status_another(self) -> None:
        def told(status: int, words: str) -> dict[str, object]:
            return finding("REPLY-01", words, expected="HTTP 200", actual=f"HTTP {status}")

        assert len(grouped_findings([told(500, "1 bet 5"), told(500, "1 win(1) 7"), told(422, "1 bet 5")])) == 2

    def test_what_repeats_comes_before_what_does_not(self) -> None:
        flaky = finding("ROLLBACK-03", *STEPS, repeated=1)
        longer = finding(
            "ROLLBACK-03", "1 balance", "2 bet 5", "3 rollback(2)", "4 rollback(2) with a new transactionId"
        )
        (group,) = grouped_findings([flaky, longer])
        assert group == [longer, flaky]


def test_every_report_is_data_of_the_schema(tmp_path: Path) -> None:
    for number, report in enumerate((green(), red(), concurrent(), concurrent([1, 4, 2, 3]))):
        folder = tmp_path / str(number)
        written = {path.name for path in write_reports(report, folder)}
        assert written >= {"report.json", "report.html", "junit.xml"}
        assert first_error("report", json.loads((folder / "report.json").read_text(encoding="utf-8"))) is None


def test_an_intermittent_finding_says_so_everywhere(tmp_path: Path) -> None:
    report = red()
    flaky = next(f for f in report.findings if f.rule == "ROLLBACK-03")
    assert (flaky.seen, flaky.tries, flaky.intermittent) == (4, 9, True)
    assert "intermittent" in report.sentence
    assert "intermittent: seen in 4 of 9 tries" in finding_text(flaky)
    assert "intermittent: 4 of 9 tries" in render_html(report)
    assert any("intermittent: seen in 4 of 9 tries" in command for command in workflow_commands(report))
    assert "intermittent: seen in 4 of 9 tries" in job_summary(report)
    case = _case(write_junit(report, tmp_path), "ROLLBACK-03")
    assert "(intermittent: 4 of 9 tries)" in case.find("failure").attrib["message"]  # type: ignore[union-attr]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("report", [green(), red(), concurrent([1, 4, 2, 3])], ids=["green", "red", "concurrent"])
def test_the_page_needs_nothing_else_and_runs_nothing(report: object) -> None:
    page = _Tags()
    page.feed(render_html(report))  # type: ignore[arg-type]
    names = [tag for tag, _ in page.tags]
    assert "script" not in names
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:,", "failures/")), (tag, value)
        assert not any(name.startswith("on") for name in attributes)
    assert names.count("main") == names.count("h1") == 1


def test_junit_names_rules_and_survives_any_text(tmp_path: Path) -> None:
    path = write_junit(red(), tmp_path)
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    assert {suite.attrib["name"] for suite in root} >= {
        "ROLLBACK Rollback",
        "REPLY Always 200, and the shape of a reply",
    }
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == sum(case.find("failure") is not None for case in cases)
        assert int(suite.attrib["skipped"]) == sum(case.find("skipped") is not None for case in cases)
    hostile = _case(path, "REPLY-04").find("failure")
    assert hostile is not None
    assert "<script>alert(1)</script>" in hostile.attrib["message"]
    properties = {p.attrib["name"]: p.attrib["value"] for p in _case(path, "BET-01").iter("property")}
    assert properties["level"] == "MUST"
    assert properties["exercised"] == "7"
    skipped = _case(path, "SIG-01").find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "signatures are switched off"
    assert "The same fault as ROLLBACK-03" in (_case(path, "ROLLBACK-08").findtext("failure") or "")


def _case(path: Path, rule: str) -> ET.Element:
    found = ET.parse(path).getroot().find(f".//testcase[@name='{rule}']")  # noqa: S314 - our own file
    assert found is not None
    return found


def test_github_commands_are_one_line_each_and_carry_no_other_command() -> None:
    commands = workflow_commands(red())
    assert all(
        "\n" not in command and command.startswith(("::error title=", "::warning title=")) for command in commands
    )
    assert sum(command.startswith("::error") for command in commands) == 3
    assert any("100%25" in command for command in commands)
    many = report_of(*(finding(rule, "1 bet 5", actual=rule, expected=rule) for rule in list(_rules())[:15]))
    assert len([c for c in workflow_commands(many) if c.startswith("::error")]) == 10


def _rules() -> list[str]:
    return [rule.id for rule in green().rules if rule.state == "passed"]


def test_the_job_summary_shows_hostile_text_as_text() -> None:
    text = job_summary(red())
    assert not re.search(r"(?<!\\)<script", text)
    assert r"\|\*\_\[x\](y)" in text
    for line in text.splitlines():
        if line.startswith("| likely"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 3
    assert "| Bet | " in job_summary(green())


def test_har_holds_the_exchanges() -> None:
    report = concurrent()
    log = har(report.findings[0], report)["log"]
    assert log["version"] == "1.2"
    assert [entry["request"]["url"] for entry in log["entries"]][1] == "http://127.0.0.1:8000/bet"
    assert log["entries"][3]["response"]["status"] == 0
    assert log["entries"][-1]["comment"] == "5 balance <- here"
    assert report.findings[0].files["har"] == "failures/BET-03.har"


class TestDrawing:
    def test_overlapping_callbacks_get_lanes_and_others_share_one(self) -> None:
        evidence = concurrent().findings[0].evidence
        assert evidence is not None
        assert lanes_of(evidence["exchanges"]) == [0, 0, 1, 2, 3, 0]
        plain = report_of(finding("ROLLBACK-03", *STEPS)).findings[0].evidence
        assert plain is not None
        assert lanes_of(plain["exchanges"]) == [0, 0, 0]
        assert timeline(plain) is None

    def test_the_diagram_has_each_request_and_reply_in_order_of_time(self) -> None:
        report = concurrent()
        finding_ = {"expected": "balance 5", "evidence": report.findings[0].evidence}
        diagram = sequence_diagram(finding_)
        assert [arrow.is_reply for arrow in diagram.arrows] == [bool(int(c)) for c in "010000111101"]
        assert [arrow.y for arrow in diagram.arrows] == sorted(arrow.y for arrow in diagram.arrows)
        assert diagram.arrows[-1].style == "broken"
        assert [line.text for line in diagram.arrows[-1].lines][1] == "expected balance 5"
        assert sum(arrow.style == "lost" for arrow in diagram.arrows) == 1

    def test_the_timeline_has_the_overlapping_ones_with_their_place_in_the_order(self) -> None:
        evidence = concurrent([0, 1, 4, 2, 3]).findings[0].evidence
        assert evidence is not None
        drawn = timeline(evidence)
        assert drawn is not None
        assert [bar.place for bar in drawn.bars] == [1, 3, 4, 2]
        assert all(bar.x >= 0 and bar.x + bar.width <= 440 for bar in drawn.bars)
        assert drawn.order is not None
        assert drawn.order[1].startswith("4 win")

    def test_exchanges_at_the_very_same_moment_are_drawn(self) -> None:
        evidence = concurrent().findings[0].evidence
        assert evidence is not None
        instant = [{**e, "started_ms": 0.0, "ended_ms": 0.0} for e in evidence["exchanges"]]
        assert "<svg" in render_html(with_evidence(concurrent(), exchanges=instant, left_out=3))


class TestTerminal:
    def test_a_narrow_terminal_wraps_all_but_what_is_copied(self) -> None:
        found = report_of(finding("ROLLBACK-03", *STEPS, likely="word " * 30)).findings[0]
        lines = finding_text(found, width=44).splitlines()
        assert all(
            len(line) <= 44 for line in lines if not line.startswith(("  replay", "  curl", "            3 roll"))
        )
        assert "  replay    pytest --operator-replay=x" in lines

    def test_verbose_adds_the_telling_exchange(self) -> None:
        found = report_of(finding("ROLLBACK-03", *STEPS)).findings[0]
        short, long = finding_text(found), finding_text(found, verbose=True)
        assert long.startswith(short)
        assert "POST /rollback" in long
        assert "POST /rollback" not in short

    def test_what_else_failed_is_told(self) -> None:
        found = next(f for f in red().findings if f.rule == "ROLLBACK-03")
        assert "2 more tests failed for this reason; broken: ROLLBACK-03, ROLLBACK-08" in finding_text(found)


def test_hostile_text_stays_text_on_the_page() -> None:
    page = render_html(red())
    assert "<script>" not in page
    assert HOSTILE.partition(" ")[0].replace("<", "&lt;").replace(">", "&gt;") in page
