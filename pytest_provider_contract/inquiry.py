"""From a broken answer to a finding: the shortest sequence, how often it shows, and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from pytest_provider_contract.checks import Answer, Violation, read_answer
from pytest_provider_contract.client import OperatorGoneError
from pytest_provider_contract.diagnosis.cause import Cause
from pytest_provider_contract.diagnosis.recent import Recent
from pytest_provider_contract.finding import ContractViolation, Finding
from pytest_provider_contract.funds import NOMINAL_STAKE
from pytest_provider_contract.pace import Pace
from pytest_provider_contract.profile import Status
from pytest_provider_contract.provider import Performance, Provider
from pytest_provider_contract.purse import LimitUnknownError, Purse
from pytest_provider_contract.results import Results
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.scenario import Scenario, balance, scenario
from pytest_provider_contract.settings import Settings
from pytest_provider_contract.shrink import shrink

_RESTING = scenario([], balance(), balance(wait_ms=1_100, focus=True), rule="BALANCE-03", via="BALANCE-01")
_CONFIRMATIONS = 2
_RACE_ATTEMPTS = 10
_LONGEST_REPEAT_S = 10.0
_LONG_STEPS = 40
# A run that is red may take its time for the sequence, but not much more than the effort's.
_SHRINKING_S, _LEAST_SHRINKING_S = 8.0, 4.0
# About so many callbacks tell apart what the evidence leaves.
_PROBING = 120
_OF_THE_NETWORK = ("RACE", "LOST")


class Inquiry:
    """Looks into what broke the contract, and records the finding.

    Args:
        settings: What was asked for.
        provider: Plays shorter scenarios.
        purse: Brings back money that a try has moved.
        pace: How much time there is.
        results: Where findings go.
        now: A clock in seconds, for tests.
    """

    def __init__(
        self,
        settings: Settings,
        provider: Provider,
        purse: Purse,
        pace: Pace,
        results: Results,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._provider = provider
        self._purse = purse
        self._pace = pace
        self._results = results
        self._now = now
        self._recent = Recent()
        self._known: dict[frozenset[str], None] = {}

    def play(self, plan: Scenario) -> Performance:
        """Play a scenario, and remember it as evidence for a diagnosis.

        Raises:
            OperatorGoneError: The operator stopped answering.
        """
        performance = self._provider.play(plan)
        self._recent.add(performance)
        return performance

    # -- findings -----------------------------------------------------------------------------------

    def violated(self, performance: Performance, advisory: str | None = None) -> ContractViolation:
        """Shrink, confirm, explain and record a violation.

        Args:
            performance: What showed it.
            advisory: The SHOULD rule that is meant instead of the performance's violation.
        """
        callbacks, seconds = self._moment()
        rule = Finding.of(performance, self._settings.profile, advisory).rule
        best, repeated, tries = performance, 0, 0
        if (moved := self._moved_by_itself(performance)) is not None:
            best, repeated, tries = moved, 1, 1
        elif performance.position >= 0:
            best, repeated, tries = self._minimised(performance, rule, advisory)
        causes = self._diagnosed(best, advisory, steady=0 < tries == repeated)
        found = Finding.of(best, self._settings.profile, advisory, causes)
        return self._recorded(
            replace(found, repeated=repeated + 1, tries=tries + 1, callbacks=callbacks, seconds=seconds), best
        )

    def forgotten(self, evidence: Performance) -> ContractViolation:
        """Record that an old transaction was forgotten, or what happens with new ones: at once, or after the same time.

        Args:
            evidence: The first callbacks of the transaction and their replay.
        """
        plan = evidence.scenario
        if evidence.position < 0:
            return self.violated(evidence)
        at_once = replace(plan, steps=tuple(replace(step, wait_ms=0) for step in plan.steps))
        performance = self._retried(at_once)
        if performance is not None and performance.violation is not None:
            return self.violated(performance)
        repeated = tries = 0
        best = evidence
        if 0 < plan.steps[-1].wait_ms <= _LONGEST_REPEAT_S * 1000:
            again, tries = self._retried(plan), 1
            if again is not None and again.violation is not None:
                best, repeated = again, 1
        found = Finding.of(best, self._settings.profile, causes=self._diagnosed(best))
        return self._recorded(replace(found, repeated=repeated + 1, tries=tries + 1), best)

    def always_declined(self, performance: Performance, position: int, tries: int) -> ContractViolation:
        """Record that a bet was declined in each of so many tries."""
        rule = performance.scenario.rule or ""
        performance = performance.up_to(position)
        answer = read_answer(performance.exchanges[-1], self._settings.profile)
        told = f" with {answer.status}" if isinstance(answer, Answer) else ""
        always = Violation(
            rule,
            f"status {Status.SUCCESS}, or {Status.BET_LIMIT} for a limit of the operator's own",
            f"the bet is declined{told} in {tries} of {tries} tries",
        )
        performance = replace(performance, violation=always)
        found = Finding.of(performance, self._settings.profile, causes=self._diagnosed(performance, steady=True))
        callbacks, seconds = self._moment()
        return self._recorded(
            replace(found, repeated=tries, tries=tries, callbacks=callbacks, seconds=seconds), performance
        )

    def _moment(self) -> tuple[int, float]:
        return self._provider.client.recorder.sent, round(self._pace.elapsed_s, 3)

    def _recorded(self, finding: Finding, performance: Performance) -> ContractViolation:
        self._results.findings.append(finding.to_json())
        return ContractViolation(finding, performance)

    # -- the shortest sequence ----------------------------------------------------------------------

    def _moved_by_itself(self, performance: Performance) -> Performance | None:
        """A simpler explanation of what does not show again: money that moves without a callback."""
        if performance.violation is None or performance.position < 0 or performance.hangs:
            return None
        plan = performance.shown()
        if len(plan.steps) <= _LONG_STEPS:  # a long one would only meet it again
            again = self._retried(plan)
            if again is None or again.violation is not None:
                return None
        resting = self._retried(_RESTING)
        return resting if resting is not None and resting.violation is not None else None

    def _minimised(self, first: Performance, rule: str, advisory: str | None) -> tuple[Performance, int, int]:
        """The shortest performance found that shows the same, and how often it did in how many tries."""
        total_s = self._settings.effort.total_s
        left_s = max(total_s - self._pace.elapsed_s, _LEAST_SHRINKING_S)
        deadline_s = self._now() + min(max(total_s / 4, _SHRINKING_S), 30, left_s)
        hanging = first.hangs
        if not hanging:
            # What shows without races and lost replies as well is no matter of them; nor is what
            # shows with small amounts one of large ones.
            first, rule = self._plainer(first, rule, Scenario.plain)
        if not hanging and _chapter(rule) == "AMOUNT":
            first, rule = self._plainer(first, rule, lambda plan: plan.small(NOMINAL_STAKE))
        best = first
        attempts = 1 if first.scenario.is_plain else _RACE_ATTEMPTS

        def shows(candidate: Scenario) -> bool:
            nonlocal best
            if hanging or self._results.gone or self._now() > deadline_s:
                return False
            performance = self._retried(candidate)
            if performance is None or not _shows(performance, rule, advisory):
                return False
            best = performance
            return True

        start = first.shown()
        # What shows after hundreds of steps may be a matter of their time, which fewer would take less of.
        if len(start.steps) > _LONG_STEPS and (waiting := with_a_wait(first)) is not None and shows(waiting):
            start = waiting
        shortened = shrink(start, lambda candidate: any(shows(candidate) for _ in range(attempts)))
        repeated = tries = 0
        confirmations = _CONFIRMATIONS if shortened.is_plain else _RACE_ATTEMPTS
        while not hanging and tries < confirmations and self._now() < deadline_s:
            tries += 1
            repeated += shows(shortened)
        return best, repeated, tries

    def _plainer(
        self, first: Performance, rule: str, change: Callable[[Scenario], Scenario]
    ) -> tuple[Performance, str]:
        """A performance of a plainer scenario and the rule it breaks, if it breaks one; else what was."""
        cut = first.shown()
        again = self._retried(plain) if (plain := change(cut)) != cut else None
        if again is None or again.violation is None or again.position < 0:
            return first, rule
        return again, again.violation.rule

    def _retried(self, plan: Scenario) -> Performance | None:
        self._provider.thrifty = False
        try:
            # Money that an earlier try left behind must not become part of the evidence.
            self._purse.restore_drifted(plan.players)
            return self.play(plan)
        except OperatorGoneError as error:
            self._results.lose(error)
            return None

    # -- why ----------------------------------------------------------------------------------------

    def _diagnosed(
        self, performance: Performance, advisory: str | None = None, *, steady: bool = False
    ) -> tuple[Cause, ...]:
        """Say why, from what the run has seen and, where that does not decide, from a few more scenarios."""
        # Two hundred flaws take a fifth of a second to load, which a green run need not wait for.
        from pytest_provider_contract.diagnosis.diagnose import diagnose  # noqa: PLC0415

        can_probe = not (performance.hangs or self._results.gone) and self._pace.affords(_PROBING, share=0.3)
        causes = diagnose(
            performance,
            self._settings.profile,
            self._recent.kept,
            self._probed if can_probe else None,
            advisory=advisory,
            steady=steady,
            known=self._known,
        )
        if causes and not any(cause.occasional for cause in causes):
            self._known[frozenset(cause.id for cause in causes)] = None
        return causes

    def _probed(self, plan: Scenario) -> Performance | None:
        if plan.players > len(self._provider.players) or (plan.forges and self._settings.unsigned):
            return None
        try:
            funds = self._purse.funds()
        except OperatorGoneError as error:
            self._results.lose(error)
            return None
        except LimitUnknownError:
            return None
        if any(b.of_balance for b in plan.bets) and funds.stake_limited:
            return None
        if any(b.stake > funds.max_stake for b in plan.bets if not b.of_balance and b.stake > NOMINAL_STAKE):
            return None
        return self._retried(funds.fit(plan))


def with_a_wait(performance: Performance) -> Scenario | None:
    """The steps about the bet that shows the violation, with a wait in the place of all others."""
    plan = performance.shown()
    last = plan.steps[-1]
    own = [position for position, step in enumerate(plan.steps) if step.bet == last.bet]
    if last.bet is None or len(own) < 2:  # noqa: PLR2004
        return None
    before = performance.exchanges[performance.steps.index(own[-2])]
    gap_s = performance.exchanges[-1].started_s - before.ended_s
    if gap_s > _LONGEST_REPEAT_S:
        return None
    steps = (*(plan.steps[i] for i in own[:-1]), replace(last, wait_ms=round(gap_s * 1000)))
    return replace(plan, steps=steps)


def _shows(performance: Performance, rule: str, advisory: str | None) -> bool:
    if advisory is not None:
        return advisory in performance.advisory
    if performance.violation is None:
        return False
    found = performance.violation.rule
    # A shorter race is often one of another kind.
    return found == rule or (_chapter(found) == _chapter(rule) and _chapter(rule) in _OF_THE_NETWORK)


def _chapter(rule: str) -> str:
    return RULES[rule].chapter
