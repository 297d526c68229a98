"""The reports of a run: report.json by its schema, one finding per fault, and no secret anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from pytest_provider_contract.schemas import first_error, schema_directory

Run = Callable[..., pytest.RunResult]

FAULTY = "reference:rollback-deduped-on-transaction-id"


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
    assert contract_run("--operator-rules=ROLLBACK", "--operator-report=out", url=FAULTY).ret == 1
    report = read_report(pytester)
    assert report["outcome"] == "failed"
    (finding,) = report["findings"]
    assert finding["rule"] == "ROLLBACK-03"
    assert finding["rules"] == ["ROLLBACK-03", "ROLLBACK-08"]
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
