"""``provider-contract diff``: two reports compared rule by rule."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pytest_provider_contract.cli import main
from pytest_provider_contract.profile import load_profile
from pytest_provider_contract.reporting import build_report
from pytest_provider_contract.results import Results
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.schemas import first_error
from pytest_provider_contract.settings import EFFORTS, Settings
from pytest_provider_contract.summary import judge_rules
from pytest_provider_contract.transport import Endpoint

SUITE = [rule.id for rule in RULES.values() if rule.part == "suite"]


def plain() -> dict[str, Any]:
    """A report in which every rule held."""
    url = "https://wallet.example"
    settings = Settings(
        target=url,
        endpoint=Endpoint.parse(url),
        profile=load_profile("155io"),
        effort=EFFORTS["quick"],
        directory=Path(),
        report=True,
        seed=1,
    )
    results = Results(exercised=Counter(dict.fromkeys(SUITE, 1)), ran=set(SUITE))
    verdict = judge_rules(results, settings, SUITE)
    report = build_report(results, verdict, settings, started_at=datetime(2026, 11, 24, tzinfo=UTC), duration_s=1.0)
    return json.loads(json.dumps(report.to_json()))  # type: ignore[no-any-return]


def fares(report: dict[str, Any], **states: str) -> dict[str, Any]:
    for rule in report["rules"]:
        rule["state"] = states.get(rule["id"].replace("-", "_"), rule["state"])
        if rule["state"] == "not tested":
            rule["reason"] = "no time was left"
    assert first_error("report", report) is None
    return report


def compared(folder: Path, old: object, new: object) -> tuple[int, list[str]]:
    for name, content in (("old.json", old), ("new.json", new)):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / name).write_bytes(data)
    result = CliRunner().invoke(main, ["diff", str(folder / "old.json"), str(folder / "new.json")])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output.splitlines()


def test_nothing_changed(tmp_path: Path) -> None:
    assert compared(tmp_path, plain(), plain()) == (0, ["no rule fares otherwise than before"])


@pytest.mark.parametrize(
    ("then", "now", "code", "label"),
    [
        ("passed", "failed", 1, "broken"),
        ("not tested", "failed", 1, "broken"),
        ("failed", "passed", 0, "fixed"),
        ("failed", "failed", 0, "still broken"),
        ("failed", "not tested", 0, "not tested now"),
        ("passed", "not tested", 0, "not tested now"),
        ("not tested", "passed", 0, "tested now"),
        ("passed", "advisory", 0, "not followed"),
        ("advisory", "passed", 0, "followed"),
    ],
)
def test_one_rule_fares_otherwise(tmp_path: Path, then: str, now: str, code: int, label: str) -> None:
    found, (line,) = compared(tmp_path, fares(plain(), IDEM_01=then), fares(plain(), IDEM_01=now))
    assert found == code
    assert line.startswith(f"{label:<14}  IDEM-01      MUST    A replayed bet moves nothing.")
    assert line.endswith("(no time was left)") == (now == "not tested")


def test_rules_that_one_of_the_two_does_not_know(tmp_path: Path) -> None:
    old, new = plain(), plain()
    old["rules"] = [rule for rule in old["rules"] if rule["id"] not in ("BET-01", "BET-02")]
    new["rules"] = [rule for rule in new["rules"] if rule["id"] != "WIN-01"]
    code, lines = compared(tmp_path, old, fares(new, BET_01="failed"))
    assert code == 1
    assert [line.split("  ")[0] for line in lines] == ["new, broken", "new, passed", "gone"]


def test_other_targets_are_said(tmp_path: Path) -> None:
    other = plain()
    other["run"]["target"] = "https://other.example"
    code, lines = compared(tmp_path, plain(), other)
    assert code == 0
    assert lines[0] == "note  the target was https://wallet.example and is https://other.example"


@pytest.mark.parametrize("data", [b"", b"\xff", b"null", b"[]", b"{}", b"[" * 100_000, b"1" * 9_999])
def test_files_that_are_no_reports(tmp_path: Path, data: bytes) -> None:
    for pair in ((data, plain()), (plain(), data)):
        code, lines = compared(tmp_path, *pair)
        assert code == 2
        assert "is no report.json" in lines[-1]
        assert "Traceback" not in "".join(lines)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["diff", str(tmp_path / "a"), str(tmp_path / "b")])
    assert result.exit_code == 2
    assert "can't be read: No such file or directory" in result.output


def test_a_report_never_steers_the_terminal(tmp_path: Path) -> None:
    bad = plain()
    bad["run"]["target"] = "\x1b[2J\nfixed"
    bad["rules"][0]["text"] = "\x07"
    _, lines = compared(tmp_path, plain(), fares(bad, REPLY_01="failed"))
    assert not [line for line in lines if not line.isprintable()]
    assert len(lines) == 2
