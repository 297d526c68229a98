"""What a run put to the test, found and left behind, in a form that workers send to their controller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_provider_contract.client import OperatorGoneError
from pytest_provider_contract.finding import Finding, brief, describe_finding
from pytest_provider_contract.latency import Histogram
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.provider import Performance
from pytest_provider_contract.rules import RULES


@dataclass(slots=True)
class Results:
    """What a run found, in a form that workers can send to their controller.

    Attributes:
        exercised: How often each rule was put to the test and held.
        findings: Violations, as plain data.
        advisories: Per SHOULD rule how often it was not followed, and the first evidence.
        not_tested: Per rule why it could not be tested.
        ran: Rules whose tests ran.
        latency: Milliseconds per callback.
        left: What was left on the players' accounts, as sentences.
        gone: Why the operator could not be asked any more, or None.
        sequences: How many scenarios were played.
        overlaps: For callbacks sent together, how often so many were asked for and so many reached.
        undecided: Scenarios in which the search for an order gave up.
        slow: Why the time did not do for every rule, or None.
        left_out: How many tests gave way because their rules were tested already.
        saved: Transactions to be written by ``--operator-save``, as plain data.
    """

    exercised: Counter[str] = field(default_factory=Counter)
    findings: list[dict[str, Any]] = field(default_factory=list)
    advisories: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_tested: dict[str, str] = field(default_factory=dict)
    ran: set[str] = field(default_factory=set)
    latency: dict[Kind, Histogram] = field(default_factory=lambda: {kind: Histogram() for kind in Kind})
    left: list[str] = field(default_factory=list)
    gone: str | None = None
    slow: str | None = None
    left_out: int = 0
    saved: list[dict[str, Any]] = field(default_factory=list)
    sequences: int = 0
    overlaps: Counter[tuple[int, int]] = field(default_factory=Counter)
    undecided: int = 0

    @property
    def broken(self) -> set[str]:
        """Rules with a violation."""
        return {finding["rule"] for finding in self.findings}

    def to_json(self) -> dict[str, Any]:
        """Plain data that `merge` understands."""
        return {
            "exercised": dict(self.exercised),
            "findings": self.findings,
            "advisories": self.advisories,
            "not_tested": self.not_tested,
            "ran": sorted(self.ran),
            "latency": {str(kind): histogram.to_json() for kind, histogram in self.latency.items()},
            "left": self.left,
            "gone": self.gone,
            "slow": self.slow,
            "left_out": self.left_out,
            "saved": self.saved,
            "sequences": self.sequences,
            "overlaps": [[*widths, count] for widths, count in self.overlaps.items()],
            "undecided": self.undecided,
        }

    def merge(self, data: Mapping[str, Any]) -> None:
        """Add what another process found."""
        self.exercised.update(data["exercised"])
        self.findings.extend(data["findings"])
        for rule, evidence in data["advisories"].items():
            self.advise(rule, evidence["count"], evidence["evidence"])
        self.not_tested.update(data["not_tested"])
        self.ran.update(data["ran"])
        for kind, buckets in data["latency"].items():
            self.latency[Kind(kind)].merge(buckets)
        self.left.extend(data["left"])
        self.gone = self.gone or data["gone"]
        self.slow = self.slow or data["slow"]
        self.left_out += data["left_out"]
        self.saved.extend(data["saved"])
        self.sequences += data["sequences"]
        self.overlaps.update({(asked, reached): count for asked, reached, count in data["overlaps"]})
        self.undecided += data["undecided"]

    def lose(self, error: OperatorGoneError) -> str:
        """Note who is asked no more, the operator or it for one kind of callback, and say so."""
        if error.kind is not None:
            return f"/{error.kind} can't be asked any more: {error}"
        self.gone = str(error)
        return f"the operator can't be asked any more: {error}"

    def advise(self, rule: str, count: int, evidence: str) -> None:
        """Note that a SHOULD rule was not followed so many times; the first evidence stays."""
        known = self.advisories.setdefault(rule, {"count": 0, "evidence": evidence})
        known["count"] += count

    def take(self, performance: Performance) -> None:
        """Count what one performance put to the test."""
        self.exercised.update(performance.exercised)
        self.sequences += 1
        self.undecided += performance.undecided
        for rule in performance.advisory:
            self.advise(rule, 1, " · ".join(brief(describe_finding(performance))))

    def take_launches(self, exercised: Mapping[str, int], findings: Iterable[Finding]) -> None:
        """Count what the launches of one test put to the test, and keep what they broke."""
        self.exercised.update(exercised)
        for finding in findings:
            if RULES[finding.rule].level == "MUST":
                self.findings.append(finding.to_json())
            else:
                self.advise(finding.rule, 1, " · ".join(finding.sequence))


def gave_way(tests: int) -> str:
    """That some tests were left out, why, and what to do about it."""
    return (
        f"{tests} test{'s' if tests > 1 else ''} of rules that had been tested already gave way for lack of time; "
        "a longer --operator-effort leaves out fewer, certify none"
    )
