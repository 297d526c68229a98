"""A finding: one violation with its evidence, and how it reads in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pytest_provider_contract.checks import Violation
from pytest_provider_contract.diagnosis.cause import Cause, likely
from pytest_provider_contract.evidence import Evidence, evidence_of, secrets_of
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.profile import Profile
from pytest_provider_contract.provider import Performance
from pytest_provider_contract.redaction import hidden
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.scenario import to_json
from pytest_provider_contract.wording import SAME_TIME, describe

SHOWN_STEPS = 12
_NARROWEST = 40
_INDENT = " " * 12


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known about one violation.

    Attributes:
        rule: The broken rule.
        expected: What the contract asks for.
        actual: What the operator did.
        http: HTTP status and milliseconds of the reply that showed it.
        sequence: The steps in words, the telling one last.
        causes: The likely causes: one, several that the evidence leaves, or none that is known.
        scenario: The scenario as JSON.
        repeated: In how many tries it showed.
        tries: How often it was tried.
        callbacks: How many callbacks the run had sent when it showed first, the telling one included.
        seconds: Seconds since the run began, likewise.
        evidence: The exchanges, redacted; None when nothing was played.
        test: Id of the test that found it, or None.
        files: What was written about it: command that replays it, and paths.
    """

    rule: str
    expected: str
    actual: str
    http: str
    sequence: tuple[str, ...]
    causes: tuple[Cause, ...]
    scenario: dict[str, Any]
    repeated: int = 1
    tries: int = 1
    callbacks: int | None = None
    seconds: float | None = None
    evidence: Evidence | None = None
    test: str | None = None
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        performance: Performance,
        profile: Profile,
        advisory: str | None = None,
        causes: tuple[Cause, ...] = (),
    ) -> Finding:
        """The finding that a performance shows.

        Args:
            performance: One with a violation, or with the advisory.
            profile: The dialect it was played in.
            advisory: A SHOULD rule that counts as broken.
            causes: What the diagnosis has found.
        """
        violation = performance.violation or Violation(advisory or "", "the rule to hold", "it does not")
        secrets = secrets_of(performance)
        return cls(
            rule=violation.rule,
            expected=hidden(violation.expected, secrets),
            actual=hidden(violation.actual, secrets),
            http=http_line(performance.exchanges[-1]),
            sequence=tuple(describe_finding(performance)),
            causes=tuple(replace(cause, text=hidden(cause.text, secrets)) for cause in causes),
            scenario=to_json(performance.scenario),
            evidence=evidence_of(performance, profile),
        )

    @property
    def likely(self) -> str:
        """The causes as one sentence."""
        return likely(self.causes)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        causes = [asdict(cause) for cause in self.causes]
        return {**asdict(self), "sequence": list(self.sequence), "causes": causes, "likely": self.likely}


class ContractViolation(Exception):  # noqa: N818 - it is the operator's error, not the program's
    """Raised by a check; pytest shows the finding instead of a traceback."""

    def __init__(self, finding: Finding, performance: Performance) -> None:
        super().__init__(f"{finding.rule}: {RULES[finding.rule].text}")
        self.finding = finding
        self.performance = performance


def describe_finding(performance: Performance) -> list[str]:
    """The steps of a performance in words, up to the telling one, the closing probe included."""
    words = describe(performance.scenario)
    if performance.violation is None:
        return words
    position = performance.position
    if position < 0:
        return ["0 balance"]
    if position >= len(words):
        probes = performance.steps.count(position)
        several = f" of player {probes}" if performance.scenario.players > 1 else ""
        return [*words, f"{len(words) + 1} balance{several}"]
    return words[: position + 1]


def brief(steps: Sequence[str]) -> list[str]:
    """The first and the last of many steps."""
    if len(steps) <= SHOWN_STEPS:
        return list(steps)
    return [*steps[:4], f"… {len(steps) - 8} more …", *steps[-4:]]


def http_line(exchange: Exchange) -> str:
    """HTTP status and duration of a reply."""
    status = f"HTTP {exchange.reply.status}" if exchange.reply.status else "no reply"
    return f"/{exchange.kind} {status}, {exchange.elapsed_ms:.0f} ms"


def render(finding: Mapping[str, Any], *, width: int = 100) -> str:
    """A finding as text, in the order that every failure has.

    Args:
        finding: What `Finding.to_json` gave.
        width: Columns to fill with the sequence.
    """
    rule = RULES[finding["rule"]]
    sequence = brief(finding["sequence"])
    sequence[-1] += "   ← here"
    lines = [
        *textwrap.wrap(
            f"{rule.id} {rule.level}  {rule.text}  [{rule.source}]", max(width, _NARROWEST), subsequent_indent=_INDENT
        ),
        *labelled("expected", finding["expected"], width),
        *labelled("actual", finding["actual"], width),
        *labelled("", finding["http"], width),
        *_wrapped("  sequence  ", sequence, width),
    ]
    if finding["likely"]:
        lines += labelled("likely", finding["likely"], width)
    if finding["repeated"] < finding["tries"]:
        lines += labelled("repeats", f"intermittent: seen in {finding['repeated']} of {finding['tries']} tries", width)
    # Never wrapped: they are there to be copied.
    lines += [f"  {label:<9} {finding['files'][label]}" for label in ("replay", "curl") if label in finding["files"]]
    return "\n".join(lines)


def labelled(label: str, text: str, width: int) -> list[str]:
    """A line of a finding: label and text, wrapped under itself where the terminal is narrow."""
    return textwrap.wrap(
        text,
        max(width, _NARROWEST),
        initial_indent=f"  {label:<9} ",
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
    )


def _wrapped(label: str, steps: list[str], width: int) -> list[str]:
    lines = [label + steps[0]]
    for step in steps[1:]:
        separator = " " if step.startswith(SAME_TIME) else " · "
        if len(lines[-1]) + len(separator + step) > width:
            lines.append(" " * len(label) + step)
        else:
            lines[-1] += separator + step
    return lines
