"""Reports made by hand: a green one, a red one with hostile text, and one of callbacks that overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_provider_contract.profile import Kind, load_profile
from pytest_provider_contract.reporting import Report, build_report
from pytest_provider_contract.results import Results
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.settings import EFFORTS, Settings
from pytest_provider_contract.summary import judge_rules
from pytest_provider_contract.transport import Endpoint

HOSTILE = "</title><script>alert(1)</script> & \"'`|*_[x](y) ::error::100%\x00\x1b\ud800"

SETTINGS = Settings(
    target="http://127.0.0.1:8000",
    endpoint=Endpoint.parse("http://127.0.0.1:8000"),
    profile=load_profile("155io"),
    effort=EFFORTS["quick"],
    directory=Path("out"),
    report=True,
    seed=4711,
)


def shown(step: int, words: str, begin_ms: float, end_ms: float, **more: Any) -> dict[str, Any]:
    """One exchange of evidence."""
    callback = words.partition(" ")[0].partition("(")[0]
    return {
        "step": step,
        "words": words,
        "callback": callback,
        "path": f"/{callback}",
        "player": "alice",
        "sent_at": "2026-11-24T15:00:00.000Z",
        "started_ms": begin_ms,
        "ended_ms": end_ms,
        "request_headers": [["Content-Type", "application/json"], ["X-Marbles-Signature", "***aa11bb"]],
        "request_body": '{\n  "amount": 900\n}',
        "http_version": "HTTP/1.1",
        "http_status": 200,
        "failure": None,
        "reply_headers": [["content-type", "application/json"]],
        "reply_body": '{\n  "status": "SUCCESS",\n  "balance": 1000\n}',
        "status": "SUCCESS",
        "balance": 1000,
        "before": {"alice": [1000]},
        "after": {"alice": [1000]},
        "telling": False,
        **more,
    }


def cause(id_: str, text: str = "rollbacks are forgotten") -> dict[str, Any]:
    """A cause as the diagnosis gives it."""
    return {"id": id_, "text": text, "remedy": "keep them", "source": "T", "occasional": False}


def finding(rule: str, *steps: str, **more: Any) -> dict[str, Any]:
    """A finding as a worker sends it."""
    words = [step.partition(" ")[2] for step in steps]
    exchanges = [shown(n, told, 10.0 * n, 10.0 * n + 4) for n, told in enumerate(words, 1)]
    exchanges[-1]["telling"] = True
    return {
        "rule": rule,
        "expected": "balance 1 000",
        "actual": "balance 1 900",
        "http": "/rollback HTTP 200, 4 ms",
        "sequence": list(steps),
        "likely": "no single known fault explains this",
        "causes": [],
        "scenario": {"rule": None, "via": [], "bets": [], "steps": []},
        "repeated": 3,
        "tries": 3,
        "callbacks": 7,
        "seconds": 0.5,
        "evidence": {"exchanges": exchanges, "left_out": 0, "order": None, "differs": "balance"},
        "test": f"suite/x.py::test_{rule}_{len(steps)}",
        "files": {
            "scenario": f"out/failures/{rule}.json",
            "replay": "pytest --operator-replay=x",
            "curl": f"{rule}.sh",
        },
        **more,
    }


def report_of(*findings: Mapping[str, Any], problems: tuple[str, ...] = ()) -> Report:
    """The report of a run that found these, and tested every other rule of the suite but the signature's."""
    results = Results()
    results.findings.extend(dict(f) for f in findings)
    results.exercised.update({id_: 7 for id_ in RULES if not id_.startswith("SIG")})
    results.not_tested.update({id_: "signatures are switched off" for id_ in RULES if id_.startswith("SIG")})
    results.advisories["REPLY-09"] = {"count": 3, "evidence": "1 bet 5"}
    for kind in Kind:
        for elapsed_ms in (0.4, 0.5, 0.5, 0.9, 3.0, 70.0):
            results.latency[kind].add(elapsed_ms)
    verdict = judge_rules(results, SETTINGS, set(RULES))
    began = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
    return build_report(results, verdict, SETTINGS, started_at=began, duration_s=61.25, problems=problems)


def green() -> Report:
    """Nothing found."""
    return report_of()


def red() -> Report:
    """Two faults, one of them in three tests and intermittent, with text that tries to break out."""
    steps = ("1 bet 900", "2 rollback(1)", "3 rollback(1) with a new transactionId")
    hostile = finding("REPLY-04", "1 bet 5", expected="one JSON object", actual=HOSTILE, http=HOSTILE, likely=HOSTILE)
    hostile["causes"] = [cause("a", HOSTILE), cause("b", HOSTILE)]
    hostile["evidence"]["differs"] = None
    hostile["evidence"]["exchanges"][0].update(
        words=HOSTILE,
        reply_body=HOSTILE,
        request_body=HOSTILE,
        reply_headers=[["x", HOSTILE]],
        status=None,
        balance=None,
    )
    return report_of(
        finding("ROLLBACK-08", "1 bet 3", *steps[1:], repeated=1),
        finding("ROLLBACK-03", *steps, repeated=2),
        finding("ROLLBACK-03", "1 balance", "2 bet 900", "3 rollback(2)", *("4 " + steps[2][2:],), repeated=1),
        hostile,
        problems=(f"the run was stopped before its end {HOSTILE}",),
    )


def concurrent(order: list[int] | None = None) -> Report:
    """Callbacks that overlap, one of them without a reply."""
    lost = {"http_status": None, "status": None, "balance": None, "failure": "abandoned: the outcome is unknown"}
    exchanges = [
        shown(0, "balance", 0, 1.2),
        shown(1, "bet 900", 2.0, 9.3, balance=100, after={"alice": [100, 1000]}),
        shown(2, "bet 900 together with step 1", 2.1, 10.8, balance=100),
        shown(3, "rollback(1) together with step 1", 2.2, 7.7, **lost),
        shown(4, "win(2) 1 500 together with step 1", 3.4, 6.1),
        shown(5, "balance", 12, 13.5, balance=-800, telling=True, after={}),
    ]
    evidence = {"exchanges": exchanges, "left_out": 0, "order": order, "differs": "balance"}
    steps = [f"{e['step']} {e['words']}" for e in exchanges[1:]]
    return report_of(finding("BET-03", *steps, actual="balance -800", repeated=2, tries=10, evidence=evidence))


def with_evidence(report: Report, **more: Any) -> Report:
    """The report with its first finding's evidence changed."""
    first = report.findings[0]
    assert first.evidence is not None
    changed = replace(first, evidence={**first.evidence, **more})
    return replace(report, findings=(changed, *report.findings[1:]))
