"""The report as data: built once from what a run found, written by every format alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pytest_provider_contract import __version__
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.redaction import address
from pytest_provider_contract.reporting.groups import grouped_findings
from pytest_provider_contract.results import Results
from pytest_provider_contract.rules import CHAPTERS, RULES
from pytest_provider_contract.settings import Settings
from pytest_provider_contract.summary import Verdict

SCHEMA_VERSION = 1
# The page's file name; the page itself takes time to load.
PAGE = "report.html"
_MAX_ALSO = 200
_HEADLINES = {"passed": "The contract holds", "failed": "The contract is broken", "unproved": "Not proved"}


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What was tested, how and when.

    Attributes:
        suite: Version of this package.
        target: ``--operator-url`` without what might be secret in it.
        url: Base URL of the callbacks, likewise.
        profile: Name of the contract dialect.
        profile_version: Its version.
        effort: ``quick``, ``standard`` or ``certify``.
        seed: Seed of everything that was drawn.
        strict: Whether SHOULD rules failed the run.
        unsigned: Whether signatures were left out.
        key: Fingerprint of the key that signed, or None.
        players: Ids of the test players.
        started_at: ISO 8601 in UTC.
        duration_s: Seconds.
    """

    suite: str
    target: str
    url: str
    profile: str
    profile_version: str
    effort: str
    seed: int
    strict: bool
    unsigned: bool
    key: str | None
    players: tuple[str, ...]
    started_at: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class RuleResult:
    """How one rule fared.

    Attributes:
        id: Stable name.
        chapter: Its chapter's short name.
        level: ``MUST`` or ``SHOULD``.
        text: The rule as one sentence.
        source: T, D, O or I.
        state: ``passed``, ``failed``, ``advisory`` or ``not tested``.
        exercised: How often it was put to the test and held.
        reason: Why it was not tested, or None.
        intermittent: ``k of n`` when it was broken in some tries only, else None.
        advisory: First evidence of a SHOULD rule that was not followed, or None.
        advisory_count: How often it was not followed.
    """

    id: str
    chapter: str
    level: str
    text: str
    source: str
    state: str
    exercised: int
    reason: str | None = None
    intermittent: str | None = None
    advisory: str | None = None
    advisory_count: int = 0


@dataclass(frozen=True, slots=True)
class CallbackTimes:
    """Latency of one callback.

    Attributes:
        callback: ``balance``, ``bet``, ``win`` or ``rollback``.
        sent: How many were sent.
        deadline_s: The contract's deadline in seconds.
        p50_ms: Median in milliseconds, None without any.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
        buckets: Upper bound in milliseconds and count, ascending; each 2 % wide.
    """

    callback: str
    sent: int
    deadline_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    buckets: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A further test that failed for the reason of a finding."""

    rule: str
    test: str | None
    expected: str
    actual: str
    sequence: tuple[str, ...]
    seen: int
    tries: int
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """One fault with its best evidence.

    Attributes:
        rule: The broken rule that shows it best.
        level: Its level.
        text: Its sentence.
        source: Its source.
        rules: All rules broken for the same reason, this one first.
        expected: What the contract asks for.
        actual: What the operator did.
        http: Path, HTTP status and time of the telling reply.
        sequence: The steps in words, the telling one last.
        likely: The likely causes and their remedies in one sentence, or that none is known.
        causes: The likely causes as the diagnosis gives them: one, several that the evidence leaves, or none.
        seen: In how many tries of all its tests it showed.
        tries: How often it was tried in all.
        intermittent: Whether it did not show in every try.
        test: Id of the test, or None.
        files: ``replay`` (a command), ``curl``, ``har`` and ``scenario`` (paths), where written.
        scenario: What was played, as data.
        evidence: See `pytest_provider_contract.evidence.Evidence`; None without any.
        also: Further tests that failed for the same reason, at most two hundred.
        also_count: How many those are in all.
    """

    rule: str
    level: str
    text: str
    source: str
    rules: tuple[str, ...]
    expected: str
    actual: str
    http: str
    sequence: tuple[str, ...]
    likely: str
    causes: tuple[Mapping[str, Any], ...]
    seen: int
    tries: int
    intermittent: bool
    test: str | None
    files: Mapping[str, str]
    scenario: Mapping[str, Any]
    evidence: Mapping[str, Any] | None
    also: tuple[Case, ...]
    also_count: int


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run.

    Attributes:
        outcome: ``passed``: every rule that the options left on was tested and held;
            ``failed``: one is broken; ``unproved``: none is broken, but not all was tested.
        headline: The outcome in a few words.
        sentence: The outcome in one sentence.
        problems: What else keeps the run from being green.
        run: What was tested, how and when.
        rules: Every rule of the suite, and of its other parts those that were tested, in the catalogue's order.
        findings: One per fault.
        callbacks: Latency per callback.
        sequences: How many scenarios were played.
        left: What was left on the players' accounts, as sentences.
        gave_way: How many tests were left out because callbacks take long.
    """

    outcome: str
    headline: str
    sentence: str
    problems: tuple[str, ...]
    run: RunFacts
    rules: tuple[RuleResult, ...]
    findings: tuple[ReportedFinding, ...]
    callbacks: tuple[CallbackTimes, ...]
    sequences: int
    left: tuple[str, ...]
    gave_way: int

    @property
    def callbacks_sent(self) -> int:
        """How many callbacks were sent in all."""
        return sum(times.sent for times in self.callbacks)

    def count(self, state: str, chapter: str | None = None) -> int:
        """How many rules ended in a state, in all or in one chapter."""
        return sum(rule.state == state and chapter in (None, rule.chapter) for rule in self.rules)

    def to_json(self) -> dict[str, Any]:
        """The content of report.json, as ``schemas/report.schema.json`` describes it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "made_by": f"pytest-provider-contract {self.run.suite}",
            **asdict(self),
            "chapters": CHAPTERS,
            "callbacks_sent": self.callbacks_sent,
        }


def build_report(
    results: Results,
    verdict: Verdict,
    settings: Settings,
    *,
    started_at: datetime,
    duration_s: float,
    problems: Sequence[str] = (),
) -> Report:
    """The report of a run.

    Args:
        results: What the run found, every worker's included.
        verdict: How every rule fared.
        settings: What was asked for.
        started_at: When it began.
        duration_s: How many seconds it took.
        problems: What else keeps it from being green, as sentences.
    """
    findings = tuple(_finding(members, settings) for members in grouped_findings(results.findings))
    rules = _rules(results, verdict)
    failed = [rule for rule in rules if rule.state == "failed"]
    outcome = "failed" if failed or findings else "unproved" if problems or verdict.missing else "passed"
    return Report(
        outcome=outcome,
        headline=_HEADLINES[outcome],
        sentence=_sentence(outcome, rules, findings),
        problems=tuple(problems),
        run=_facts(settings, started_at, duration_s),
        rules=rules,
        findings=findings,
        callbacks=tuple(_times(kind, results, settings) for kind in Kind),
        sequences=results.sequences,
        left=tuple(results.left),
        gave_way=results.left_out,
    )


def _facts(settings: Settings, started_at: datetime, duration_s: float) -> RunFacts:
    url = settings.endpoint.url if settings.endpoint else settings.target
    return RunFacts(
        suite=__version__,
        target=settings.target if settings.bundled else address(settings.target),
        url=address(url),
        profile=settings.profile.name,
        profile_version=settings.profile.version,
        effort=settings.effort.name,
        seed=settings.seed,
        strict=settings.strict,
        unsigned=settings.unsigned,
        key=settings.key.fingerprint if settings.key else None,
        players=tuple(player.player_id for player in settings.players),
        started_at=started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        duration_s=round(duration_s, 3),
    )


def _rules(results: Results, verdict: Verdict) -> tuple[RuleResult, ...]:
    rates: dict[str, str | None] = {}
    for finding in results.findings:
        flaky = finding["repeated"] < finding["tries"]
        rate = f"{finding['repeated']} of {finding['tries']}" if flaky else None
        # One finding that repeats is enough for the rule to be plainly broken.
        rates[finding["rule"]] = rate if rates.get(finding["rule"], rate) is not None else None
    return tuple(
        RuleResult(
            id=rule.id,
            chapter=rule.chapter,
            level=rule.level,
            text=rule.text,
            source=rule.source,
            state=verdict.states[rule.id],
            exercised=results.exercised[rule.id],
            reason=verdict.reasons.get(rule.id),
            intermittent=rates.get(rule.id),
            advisory=results.advisories.get(rule.id, {}).get("evidence"),
            advisory_count=results.advisories.get(rule.id, {}).get("count", 0),
        )
        for rule in RULES.values()
        # The launch's rules and the preflight's are there only where they were put to the test.
        if rule.id in verdict.states
    )


def _times(kind: Kind, results: Results, settings: Settings) -> CallbackTimes:
    histogram = results.latency[kind]
    p50, p95, p99 = (_rounded(histogram.percentile_ms(share)) for share in (0.5, 0.95, 0.99))
    return CallbackTimes(
        callback=str(kind),
        sent=histogram.count,
        deadline_s=settings.profile.callbacks[kind].deadline_s,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        buckets=tuple((round(upper_ms, 4), count) for upper_ms, count in histogram.bounds()),
    )


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms, 3)


def _finding(members: Sequence[Mapping[str, Any]], settings: Settings) -> ReportedFinding:
    best, others = members[0], members[1:]
    rule = RULES[best["rule"]]
    # One sequence may show by luck each time what shows now and then: the rate is the fault's.
    seen, tries = (sum(member[count] for member in members) for count in ("repeated", "tries"))
    return ReportedFinding(
        rule=rule.id,
        level=rule.level,
        text=rule.text,
        source=rule.source,
        rules=tuple(dict.fromkeys(member["rule"] for member in members)),
        expected=best["expected"],
        actual=best["actual"],
        http=best["http"],
        sequence=tuple(best["sequence"]),
        likely=best["likely"],
        causes=tuple(best["causes"]),
        seen=seen,
        tries=tries,
        intermittent=seen < tries,
        test=best["test"],
        files=_files(best, settings),
        scenario=best["scenario"],
        evidence=best["evidence"],
        also=tuple(_case(other) for other in others[:_MAX_ALSO]),
        also_count=len(others),
    )


def _files(finding: Mapping[str, Any], settings: Settings) -> Mapping[str, str]:
    files: dict[str, str] = dict(finding["files"])
    if settings.report and "scenario" in files:
        # Beside the scenario, named from where the reports are.
        files["har"] = f"failures/{Path(files['scenario']).stem}.har"
    return files


def _case(finding: Mapping[str, Any]) -> Case:
    return Case(
        rule=finding["rule"],
        test=finding["test"],
        expected=finding["expected"],
        actual=finding["actual"],
        sequence=tuple(finding["sequence"]),
        seen=finding["repeated"],
        tries=finding["tries"],
        files=finding["files"],
    )


def _sentence(outcome: str, rules: Sequence[RuleResult], findings: Sequence[ReportedFinding]) -> str:
    tested = sum(rule.state != "not tested" for rule in rules)
    untested = len(rules) - tested
    if outcome == "failed":
        broken = sum(rule.state == "failed" for rule in rules)
        some = f"{len(findings)} finding{'s' * (len(findings) != 1)}"
        flaky = sum(finding.intermittent for finding in findings)
        aside = f", {flaky} intermittent" if flaky else ""
        return f"{some}{aside}; {broken} of {len(rules)} rules do not hold."
    if outcome == "unproved":
        return f"Nothing broken was found, but not everything was tested: {untested} of {len(rules)} rules were not."
    rest = f"; {untested} not tested" if untested else ""
    return f"Every rule that was tested holds: {tested} of {len(rules)}{rest}."
