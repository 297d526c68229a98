"""The reports of a run: report.json by its schema, one finding per fault, and no secret anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from pytest_provider_contract.schemas import first_error, schema_directory

Run = Callable[..., pytest.RunResult]

FAULTY = "reference:rollback-deduped-on-transaction-id"
# The effort that leaves no test out, however busy the machine.
WHOLE = ("--operator-rules=ROLLBACK", "--operator-effort=certify")


def _closed(schema: Any) -> Any:
    """The schema without room for fields it does not describe."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def read_report(pytester: pytest.Pytester, folder: str = "out") -> dict[str, Any]:
    report = json.loads((pytester.path / folder / "report.json").read_text(encoding="utf-8"))
    assert first_error("report", report) is None
    schema = json.loads((schema_directory() / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(_closed(schema)).validate(report)
    return report  # type: ignore[no-any-return]


def test_a_red_run_is_reported_once_per_fault(contract_run: Run, pytester: pytest.Pytester) -> None:
    assert contract_run(*WHOLE, "--operator-report=out", url=FAULTY).ret == 1
    report = read_report(pytester)
    assert report["outcome"] == "failed"
    (finding,) = report["findings"]
    assert finding["rule"] == "ROLLBACK-03"
    assert finding["rules"] == ["ROLLBACK-03"]
    assert finding["also_count"] == len(finding["also"]) == 2
    assert finding["test"].endswith("rollback.py::test_a_new_transaction_id")
    assert (pytester.path / finding["files"]["scenario"]).is_file()
    exchanges = finding["evidence"]["exchanges"]
    assert [e["callback"] for e in exchanges if e["step"]] == ["bet", "rollback", "rollback"]
    assert [e["telling"] for e in exchanges] == [False] * (len(exchanges) - 1) + [True]
    bet, first, again = exchanges[-3:]
    (before,), (after,) = bet["before"]["player-1"], bet["after"]["player-1"]
    assert after < before == first["after"]["player-1"][0] == again["before"]["player-1"][0]
    assert again["balance"] > before
    states = {rule["id"]: rule["state"] for rule in report["rules"]}
    assert states["ROLLBACK-03"] == "failed"
    assert states["ROLLBACK-01"] == "passed"
    assert states["BET-01"] == "not tested"


def test_a_green_run_is_reported(contract_run: Run, pytester: pytest.Pytester) -> None:
    assert contract_run("--operator-rules=WIN", "--operator-report=out").ret == 0
    report = read_report(pytester)
    assert report["outcome"] == "passed"
    assert report["findings"] == []
    assert report["callbacks_sent"] == sum(c["sent"] for c in report["callbacks"])
    for times in report["callbacks"]:
        assert sum(count for _, count in times["buckets"]) == times["sent"]


def test_an_unproved_run_says_so(contract_run: Run, pytester: pytest.Pytester) -> None:
    assert contract_run("--operator-rules=SIG-01", "--operator-unsigned", "--operator-report=out").ret == 1
    report = read_report(pytester)
    assert report["outcome"] == "unproved"
    assert report["problems"] == ["no rule was tested: the options switch off all that were chosen"]


def test_workers_send_their_evidence(contract_run: Run, pytester: pytest.Pytester) -> None:
    contract_run("--operator-rules=ROLLBACK-03,ROLLBACK-08", "--operator-report=out", "-n2", url=FAULTY)
    (finding,) = read_report(pytester)["findings"]
    assert finding["evidence"]["exchanges"][-1]["telling"]


def test_the_terminal_shows_a_fault_once_and_counts_every_test(contract_run: Run) -> None:
    result = contract_run(*WHOLE, url=FAULTY)
    result.assert_outcomes(failed=3, passed=7, deselected=None)
    assert sum(line.startswith("  sequence") for line in result.stdout.lines) == 1
    result.stdout.fnmatch_lines(["  also      2 more tests failed for this reason"])
    assert sum(line.startswith("FAILED ") for line in result.stdout.lines) == 3
    result.stdout.fnmatch_lines(["FAILED *test_round_closed_makes_no_difference[[]True[]] - ROLLBACK-03 MUST *"])
    assert "\x1b[" not in result.stdout.str()
    result.stdout.no_fnmatch_line("*POST /rollback*")


def test_more_is_told_when_asked(contract_run: Run) -> None:
    result = contract_run("--operator-rules=ROLLBACK-03", "-v", url=FAULTY)
    result.stdout.fnmatch_lines(["  request   POST /rollback", "  reply     HTTP 200"])


def test_a_narrow_terminal_without_colour(contract_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = contract_run("--operator-rules=ROLLBACK-03", "--color=auto", url=FAULTY)
    assert "\x1b[" not in result.stdout.str()
    told = result.stdout.str().partition("provider contract =")[2].splitlines()
    assert [
        line for line in told if len(line) > 60 and not line.startswith(("not tested", "left", "for", "FAILED"))
    ] == []


def test_github_gets_annotations_and_a_summary(
    contract_run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = contract_run(*WHOLE, url=FAULTY)
    commands = [line for line in result.stdout.lines if line.startswith("::")]
    assert len(commands) == 1
    assert commands[0].startswith(
        "::error title=ROLLBACK-03 A rollback repeated with a new transactionId refunds once.::"
    )
    text = summary.read_text(encoding="utf-8")
    assert "### ROLLBACK-03 " in text
    assert "| Rollback | 9 | 1 |" in text


def test_a_file_is_no_place_for_reports(refused: Callable[..., str], pytester: pytest.Pytester) -> None:
    (pytester.path / "taken").write_text("", encoding="utf-8")
    said = refused("--operator-url=reference", "--operator-report=taken")
    assert said == "ERROR: --operator-report=taken: this is a file; give a directory"


def test_what_does_not_repeat_is_a_finding_with_its_rate(contract_run: Run, pytester: pytest.Pytester) -> None:
    url = "reference:every-tenth-win-credited-twice"
    result = contract_run("--operator-rules=WIN", "--operator-effort=certify", "--operator-report=out", url=url)
    assert result.ret == 1
    report = read_report(pytester)
    flaky = [finding for finding in report["findings"] if finding["intermittent"]]
    assert flaky
    for finding in flaky:
        assert 0 < finding["seen"] < finding["tries"]
        rate = f"{finding['seen']} of {finding['tries']} tries"
        result.stdout.fnmatch_lines([f"  repeats   intermittent: seen in {rate}"])
        for name in ("report.html", "junit.xml"):
            assert f"intermittent: {rate}" in (pytester.path / "out" / name).read_text(encoding="utf-8")
    states = {rule["id"]: rule["state"] for rule in report["rules"]}
    assert all(states[finding["rule"]] == "failed" for finding in flaky)


def test_no_rerun_makes_a_broken_contract_green(
    contract_run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What plugins do that run failed tests again until they pass.
    pytester.makepyfile(
        again_and_again="""
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if report.failed:
                report.outcome, report.longrepr = "passed", None
            return report
        """
    )
    monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)
    result = contract_run("-p", "again_and_again", "--operator-rules=ROLLBACK-03", url=FAULTY)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED: broken, though every test ended green: ROLLBACK-03"])


def test_callbacks_at_the_same_time_are_drawn_on_a_time_line(contract_run: Run, pytester: pytest.Pytester) -> None:
    url = "reference:overdraft-race-5ms"
    assert contract_run("--operator-rules=RACE-04", "--operator-report=out", url=url).ret == 1
    (finding,) = read_report(pytester)["findings"]
    telling = [exchange for exchange in finding["evidence"]["exchanges"] if exchange["telling"]]
    assert len(telling) >= 2
    assert max(e["started_ms"] for e in telling) < min(e["ended_ms"] for e in telling)
    assert not any(exchange["words"].startswith("‖") for exchange in telling)
    page = (pytester.path / "out" / "report.html").read_text(encoding="utf-8")
    assert "No order of these callbacks explains what was answered." in page
