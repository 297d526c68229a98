"""One run of the contract: plays scenarios, keeps what was tested, found and left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pytest_provider_contract.callbacks import about
from pytest_provider_contract.checks import Violation
from pytest_provider_contract.client import OperatorClient, OperatorGoneError
from pytest_provider_contract.diagnosis.cause import Cause
from pytest_provider_contract.diagnosis.diagnose import Recent, diagnose
from pytest_provider_contract.finding import ContractViolation, Finding
from pytest_provider_contract.ledger import HUGE, LARGE
from pytest_provider_contract.memory import RULE as RECALL_RULE
from pytest_provider_contract.memory import Keepsake, Memory, recall
from pytest_provider_contract.pace import Pace
from pytest_provider_contract.profile import Kind, Status
from pytest_provider_contract.provider import Performance, Provider
from pytest_provider_contract.results import Results
from pytest_provider_contract.rules import RULES, Need
from pytest_provider_contract.scenario import BetPlan, Scenario, balance, bet, rollback, scenario, win
from pytest_provider_contract.settings import Settings
from pytest_provider_contract.shrink import shrink
from pytest_provider_contract.strategies import Funds

# The suite's scenarios are written with stakes up to this; poorer players get smaller ones.
NOMINAL_STAKE = 5_000
_COMFORTABLE = 10 * NOMINAL_STAKE
_CONFIRMATIONS = 2
_RACE_ATTEMPTS = 10
# Further tries of declined bets, each with so many other bets before it: whoever declines every
# second or third one meets another bet of the scenario.
_INSISTENCE = (0, 1, 1, 0)
_DRIFT = 1_000_000
_CHUNKS = 20
_SLOW_P95_MS = 1000
# The share of a run's time that may go into waiting in vain for one kind of callback.
_VAIN_SHARE = 0.6
# A forgetful wallet forgets within seconds or minutes; longer waits are for --operator-recheck.
_MEMORY_S = {"quick": 2.5, "standard": 6.0, "certify": 60.0}
_LONGEST_REPEAT_S = 10.0
_LONG_STEPS = 40
# So many bets are held open for long, and win so much.
_HELD, _PRIZE = 4, 70
_LEAST_SHRINKING_S = 2.0
RESTING = scenario([], balance(), balance(wait_ms=1_100, focus=True), rule="BALANCE-03", via="BALANCE-01")
_ONE_MORE = scenario(BetPlan(500, 500), bet(), win())
# About so many callbacks tell apart what the evidence leaves.
_PROBING = 120
_OF_THE_NETWORK = ("RACE", "LOST")


class NotTestedError(Exception):
    """A rule can't be put to the test here; the message says why."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A dense scenario that puts many rules to the test at once.

    Attributes:
        plan: What is played; it is about no single rule.
        shows: Rules, separated by blanks, that it also puts to the test without the ledger's saying so.
        needs: What must be at hand.
    """

    plan: Scenario
    shows: str = ""
    needs: Need | None = None


class ContractRun:
    """Everything a suite's tests share within one process.

    Args:
        settings: What was asked for, with the endpoint known.
        now: A clock in seconds, for tests.
        spent_s: Seconds of the effort's time that were spent on starting up.
    """

    def __init__(self, settings: Settings, now: Callable[[], float] = time.monotonic, spent_s: float = 0.0) -> None:
        assert settings.endpoint is not None  # noqa: S101 - the plugin starts the bundled operator first
        self.settings = settings
        self.client = OperatorClient(
            settings.endpoint,
            settings.profile,
            settings.key,
            rate=settings.rate,
            patience_s=settings.effort.total_s * _VAIN_SHARE,
        )
        players = settings.players if settings.recheck else settings.players[:2]
        self.provider = Provider(self.client, players, settings.rewards)
        self.results = Results(latency=self.client.recorder.latency, overlaps=self.client.recorder.overlaps)
        self.pace = Pace(settings.effort, self.results, now, spent_s)
        self._now = now
        self._start_balances: dict[int, int] = {}
        self._funds: Funds | None = None
        self._limited = False
        self._opening_failures = 0
        self._before: Scenario | None = None
        self.memory = Memory()
        self._holds = False
        self._next_recall_s = _MEMORY_S["quick"]
        self._recalled: set[str | None] = set()
        self._recent = Recent()

    # -- money ------------------------------------------------------------------------------------

    def funds(self) -> Funds:
        """What stakes may be drawn from; found out, and topped up for poor players, once."""
        if self._funds is None:
            self._funds = self._survey()
        return self._funds

    @property
    def stake_limited(self) -> bool:
        """Whether a bet of all the money is out of reach: by an option or by the operator."""
        funds = self.funds()
        return self._limited or funds.max_stake < funds.balance

    def currency(self, index: int = 0) -> str:
        """A player's currency."""
        self.funds()
        return self.provider.currency(index)

    def _survey(self) -> Funds:
        balances = []
        for index in range(len(self.provider.players)):
            self._begin(index)
            if index in self.provider.known and 0 < self.provider.known[index] < _COMFORTABLE:
                # A win is the one way in which a provider can make a poor player richer.
                self.provider.play(scenario(BetPlan(1, _COMFORTABLE, player=index), bet(), win()))
                self._begin(index)
            balances.append(self.provider.known.get(index, 0))
        poorest = min(balances)
        stake = min(self.settings.max_stake or HUGE * 4, max(poorest, 1))
        for tried in (NOMINAL_STAKE, 500, 50, 5, 1):
            if tried > stake:
                continue
            if not self._is_limited(tried):
                break
            self._limited, stake = True, max(tried // 10, 1)
        if not self._limited and self.settings.max_stake is None and self._is_limited(LARGE + 1):
            self._limited = True
        large = not self._limited and (self.settings.max_stake is None or self.settings.max_stake > HUGE)
        return Funds(
            poorest,
            stake if not self._limited or stake < NOMINAL_STAKE else NOMINAL_STAKE,
            len(self.provider.players),
            bool(self.settings.rewards),
            allow_large=large,
        )

    def _begin(self, index: int) -> None:
        performance = self.provider.balance(index)
        if performance.violation is None:
            self._start_balances.setdefault(index, performance.balances[index])

    def _is_limited(self, amount: int) -> bool:
        performance = self.provider.play(scenario(BetPlan(amount), bet(), rollback()))
        if performance.violation is not None and _hangs(performance):
            # Nothing is gained by waiting for it once more.
            raise self._violated(performance)
        wire = self.settings.profile.statuses[Status.BET_LIMIT].encode()
        return any(e.kind is Kind.BET and wire in e.reply.body for e in performance.exchanges)

    def fit(self, plan: Scenario) -> Scenario:
        """A directed scenario with its stakes scaled to what the players can afford."""
        funds = self.funds()
        most = min(funds.balance // 8, funds.max_stake)
        if most >= NOMINAL_STAKE or most < 1:
            return plan
        bets = tuple(
            b
            if b.of_balance or not 0 < b.stake <= NOMINAL_STAKE
            else replace(b, stake=max(1, b.stake * most // NOMINAL_STAKE))
            for b in plan.bets
        )
        return replace(plan, bets=bets)

    def look_up(self) -> None:
        """Ask for every balance that is not known, so that money moving by itself shows later."""
        for index in range(len(self.provider.players)):
            if index not in self.provider.known:
                self.provider.balance(index)

    def idle_longest(self) -> tuple[int, int]:
        """The player whose money has rested longest, and for how many milliseconds."""
        self.funds()
        latest_s = self.client.recorder.latest_s
        since = {i: latest_s[self.provider.players[i].player_id] for i in self.provider.known}
        index = min(since, key=since.__getitem__, default=0)
        return index, round((self._now() - since[index]) * 1000) if since else 0

    def restore(self) -> None:
        """Bring every player back to the balance the run began with, where the wallet lets it."""
        for index, start in self._start_balances.items():
            try:
                left = self._restore(index, start)
            except OperatorGoneError:
                left = None
            if left != 0:
                player = self.provider.players[index].player_id
                amount = "not known" if left is None else f"{left:+,}".replace(",", " ") + " minor units"
                self.results.left.append(f"{player}: {amount}")

    def _restore(self, index: int, start: int) -> int | None:
        most = self.settings.max_stake or (self._funds.max_stake if self._funds and self._limited else None)
        for number in range(_CHUNKS):
            if self.provider.balance(index).violation is not None:
                return None
            surplus = self.provider.known[index] - start
            if surplus == 0:
                return 0
            # An ordinary stake on top of what is to go: a small one may be below the operator's least.
            money = max(self.provider.known[index], 1)
            stake = min(max(surplus, 0) + NOMINAL_STAKE, money, most or money)
            prize = max(stake - surplus, 0)
            if self.provider.known[index] == 0:
                # No stake can be paid: a bet of 0, or a win before its bet, as the wallet likes.
                free, early = BetPlan(0, prize - stake, player=index), BetPlan(stake, prize, player=index)
                plan = scenario(free, bet(), win()) if number % 2 == 0 else scenario(early, win(), bet())
            else:
                plan = scenario(BetPlan(stake, prize, player=index), bet(), win())
            if self.provider.play(plan).violation is not None:
                break
        if self.provider.balance(index).violation is not None:
            return None
        return self.provider.known[index] - start

    def _surplus(self, index: int) -> int:
        if index not in self.provider.known:
            self.provider.balance(index)
        start = self._start_balances[index]
        return self.provider.known.get(index, start) - start

    # -- judging ----------------------------------------------------------------------------------

    def expect(self, plan: Scenario, *, exact_amounts: bool = False) -> Performance:
        """Play a scenario; the contract must explain every answer.

        Args:
            plan: What to play.
            exact_amounts: Whether stakes must stay as they are, however poor the player.

        Raises:
            ContractViolation: It did not; the message is the whole finding.
            NotTestedError: The operator can't be asked.
        """
        self._can_go_on()
        self.client.label = plan.rule or ""
        fitted = (plan if exact_amounts else self.fit(plan)).narrowed(self._widest())
        performance = self._play(fitted)
        unasked = performance.steps.count(-1) < fitted.players
        if performance.violation is not None and unasked and not _hangs(performance):
            # It went on from the balance that the last scenario ended with. A try that asks
            # first is better evidence, if it shows something too.
            thrifty, self.provider.thrifty = self.provider.thrifty, False
            again = self._play(fitted)
            if again.violation is None and thrifty and self._before is not None:
                # That one may have left the money otherwise than its replies told.
                again = self._play(self._before)
            performance = again if again.violation is not None else performance
        if performance.violation is not None:
            raise self._violated(performance)
        self._before = fitted
        self.results.take(performance)
        self.memory.keep(performance, self.client.recorder.sent)
        if plan.rule is not None and _is_declined(performance):
            performance = self._insisted(performance)
        if self.settings.strict and (broken := sorted(performance.advisory)):
            raise self._violated(performance, broken[0])
        self._refill(performance)
        return performance

    # -- memory -------------------------------------------------------------------------------------

    def hold_bets(self) -> None:
        """Place some bets that stay open until the last chapter: a stuck round is settled long after [T]."""
        if self._holds or self.pace.is_slow or self.results.gone or self.funds().balance < 1:
            return
        self._holds = True
        plan = self.fit(scenario([BetPlan(100, round=n) for n in range(_HELD)], *map(bet, range(_HELD))))
        try:
            performance = self.provider.play(plan, hold=True)
        except OperatorGoneError as error:
            raise self.gone(error) from None
        if performance.violation is None and performance.states:
            self.memory.hold(performance, _PRIZE, self.client.recorder.sent)

    def _refund_held(self) -> None:
        for keepsake in self.memory.let_go():
            with suppress(OperatorGoneError):
                self.client.send(about(keepsake.bet, Kind.ROLLBACK))

    def recall_when_due(self) -> None:
        """Replay some old transactions, at times that lie further and further apart.

        Raises:
            ContractViolation: A replay moved money or was answered wrongly.
        """
        if self.pace.elapsed_s < self._next_recall_s:
            return
        self._next_recall_s = 2 * self.pace.elapsed_s
        # Each is replayed once before the end: a replay may remind a forgetful wallet.
        # What is held open stays so to the end.
        sample = [k for k in self.memory.sample() if not k.is_open]
        fresh = [k for k in sample if k.bet.transaction_id not in self._recalled]
        oldest = {k.outcome: k for k in reversed(fresh)}.values()
        if oldest and self.pace.affords(4 * len(oldest)):
            self._recalled.update(k.bet.transaction_id for k in oldest)
            self._recall(list(oldest))

    def recall_all(self, begun: Mapping[str, Scenario]) -> None:
        """Replay all transactions that were kept, once they are old enough.

        Args:
            begun: Per outcome a scenario that begins one, for a run that met none so far.

        Raises:
            ContractViolation: A replay moved money or was answered wrongly.
            NotTestedError: There is no time left.
        """
        if self.results.slow:
            raise NotTestedError(self.results.slow)
        self.hold_bets()
        kept = {k.outcome for k in self.memory.sample()}
        for outcome, plan in begun.items():
            if outcome not in kept:
                self.expect(plan)
        age_s = self._now() - min((k.kept_s for k in self.memory.sample()), default=0.0)
        time.sleep(max(0.0, _MEMORY_S[self.settings.effort.name] - age_s))
        kept_now = self.memory.sample()
        while len(kept_now) > 1 and not self.pace.affords(4 * len(kept_now), share=0.07):
            kept_now.pop()
        self._recall(kept_now)

    def recheck(self, keepsakes: Sequence[Keepsake]) -> None:
        """Replay the transactions of another run.

        Raises:
            ContractViolation: A replay moved money or was answered wrongly.
        """
        self._recall(keepsakes)

    def _recall(self, keepsakes: Sequence[Keepsake]) -> None:
        self._can_go_on()
        self.client.label = RECALL_RULE
        try:
            recalled = recall(self.provider, keepsakes, self.client.recorder.sent)
        except OperatorGoneError as error:
            raise self.gone(error) from None
        if recalled.evidence is not None:
            raise self._forgotten(recalled.evidence)
        self.memory.renew(keepsakes, recalled.keepsakes)
        self.results.exercised.update(recalled.exercised)

    def _forgotten(self, evidence: Performance) -> ContractViolation:
        """Try whether the same happens with new transactions: at once, or after the same time."""
        plan = evidence.scenario
        if evidence.position < 0:
            return self._violated(evidence)
        at_once = replace(plan, steps=tuple(replace(step, wait_ms=0) for step in plan.steps))
        performance = self._retried(at_once)
        if performance is not None and performance.violation is not None:
            return self._violated(performance)
        repeated = tries = 0
        best = evidence
        if 0 < plan.steps[-1].wait_ms <= _LONGEST_REPEAT_S * 1000:
            again, tries = self._retried(plan), 1
            if again is not None and again.violation is not None:
                best, repeated = again, 1
        causes = self._diagnosed(best)
        found = Finding.of(best, self.settings.profile, causes=causes)
        finding = replace(found, repeated=repeated + 1, tries=tries + 1)
        self.results.findings.append(finding.to_json())
        return ContractViolation(finding, best)

    def tour(self, stages: Iterable[Stage]) -> None:
        """Put as many rules to the test with as few callbacks as can be, for slow operators.

        Raises:
            ContractViolation: The contract does not explain an answer.
        """
        for stage in stages:
            rules = stage.shows.split()
            impossible = self.settings.lacks(stage.needs) or (
                stage.needs == "large stakes" and (self.stake_limited or not self.funds().allow_large)
            )
            if impossible or self.pace.out_of_time():
                continue
            performance = self.expect(stage.plan)
            if not performance.declined and not performance.undecided:
                self.results.exercised.update(rules)

    def _widest(self) -> int:
        """How many callbacks an operator of this speed answers in time, were it one after the other."""
        deadline_ms = 1000 * min(terms.deadline_s for terms in self.settings.profile.callbacks.values())
        return max(2, int(deadline_ms / 2 / max(self.pace.mean_ms, 1)))

    def _insisted(self, performance: Performance) -> Performance:
        """Play a scenario again whose rule could not be tested because a bet was declined.

        An operator may decline a bet now and then; declining the same bet of a scenario every
        time is how wallets fail that refuse large amounts, or a second bet in a round. A limit
        that it names is its own affair.

        Raises:
            ContractViolation: The same bet was declined every time.
        """
        plan, always_declined = performance.scenario, performance.declined
        for in_between in _INSISTENCE:
            for _ in range(in_between):
                self.expect(_ONE_MORE)
            performance = self._play(plan)
            if performance.violation is not None:
                raise self._violated(performance)
            self.results.take(performance)
            if not _is_declined(performance):
                return performance
            always_declined &= performance.declined
        if performance.limited:
            reason = "the operator declines the bets of its test with BET_LIMIT_REACHED_ERROR"
            self.results.not_tested.setdefault(plan.rule or "", reason)
            return performance
        if not always_declined:
            # Now the one, now the other. Bets alone have all been accepted once; what hangs on several
            # of them is left to other scenarios.
            if plan.rule is not None and all(step.send is Kind.BET for step in plan.steps if step.focus):
                self.results.exercised[plan.rule] += 1
            return performance
        tries = len(_INSISTENCE) + 1
        always = Violation(plan.rule or "", "status SUCCESS", f"the bet is declined in {tries} of {tries} tries")
        performance = replace(_up_to(performance, min(always_declined)), violation=always)
        finding = replace(
            Finding.of(performance, self.settings.profile, causes=self._diagnosed(performance, steady=True)),
            repeated=tries,
            tries=tries,
            callbacks=self.client.recorder.sent,
            seconds=round(self.pace.elapsed_s, 3),
        )
        self.results.findings.append(finding.to_json())
        raise ContractViolation(finding, performance)

    def _refill(self, performance: Performance) -> None:
        # A scenario may bet all the money and win little: the next one should find some again.
        for index, left in performance.balances.items():
            start = self._start_balances.get(index, 0)
            if left < start // 2:
                self._restore(index, start)

    def _can_go_on(self) -> None:
        if self.results.gone:
            raise NotTestedError(f"the operator can't be asked any more: {self.results.gone}")
        if self._opening_failures > 1:
            raise NotTestedError(
                "the player's balance can't be read (see BALANCE-01 and the like): "
                "is the player of --operator-player known to the operator?"
            )

    def gone(self, error: OperatorGoneError) -> NotTestedError:
        """Note who is asked no more: the operator, or it for one kind of callback."""
        if error.kind is not None:
            return NotTestedError(f"/{error.kind} can't be asked any more: {error}")
        self.results.gone = str(error)
        return NotTestedError(f"the operator can't be asked any more: {error}")

    def _play(self, plan: Scenario) -> Performance:
        try:
            performance = self._played(plan)
        except OperatorGoneError as error:
            raise self.gone(error) from None
        if performance.violation is not None and performance.position < 0:
            self._opening_failures += 1
        return performance

    def _played(self, plan: Scenario) -> Performance:
        performance = self.provider.play(plan)
        self._recent.add(performance)
        return performance

    def _violated(self, performance: Performance, advisory: str | None = None) -> ContractViolation:
        """Shrink, confirm and record a violation."""
        callbacks, seconds = self.client.recorder.sent, round(self.pace.elapsed_s, 3)
        finding = Finding.of(performance, self.settings.profile, advisory)
        best, repeated, tries = performance, 0, 0
        if (moved := self._moved_by_itself(performance)) is not None:
            best, repeated, tries = moved, 1, 1
        elif performance.position >= 0:
            best, repeated, tries = self._minimised(performance, finding.rule, advisory)
        causes = self._diagnosed(best, advisory, steady=0 < tries == repeated)
        finding = replace(
            Finding.of(best, self.settings.profile, advisory, causes),
            repeated=repeated + 1,
            tries=tries + 1,
            callbacks=callbacks,
            seconds=seconds,
        )
        violation = ContractViolation(finding, best)
        self.results.findings.append(finding.to_json())
        return violation

    def _moved_by_itself(self, performance: Performance) -> Performance | None:
        """A simpler explanation of what does not show again: money that moves without a callback."""
        if performance.violation is None or performance.position < 0 or _hangs(performance):
            return None
        plan = _cut(performance)
        if len(plan.steps) <= _LONG_STEPS:  # a long one would only meet it again
            again = self._retried(plan)
            if again is None or again.violation is not None:
                return None
        resting = self._retried(RESTING)
        return resting if resting is not None and resting.violation is not None else None

    def _diagnosed(
        self, performance: Performance, advisory: str | None = None, *, steady: bool = False
    ) -> tuple[Cause, ...]:
        """Say why, from what the run has seen and, where that does not decide, from a few more scenarios."""
        can_probe = not (_hangs(performance) or self.results.gone) and self.pace.affords(_PROBING, share=0.3)
        return diagnose(
            performance,
            self.settings.profile,
            self._recent.kept,
            self._probed if can_probe else None,
            advisory=advisory,
            steady=steady,
        )

    def _probed(self, plan: Scenario) -> Performance | None:
        if plan.players > len(self.provider.players) or (plan.forges and self.settings.unsigned):
            return None
        try:
            if any(b.of_balance for b in plan.bets) and self.stake_limited:
                return None
            if any(b.stake > self.funds().max_stake for b in plan.bets if not b.of_balance and b.stake > NOMINAL_STAKE):
                return None
            fitted = self.fit(plan) if plan.bets else plan
        except OperatorGoneError as error:
            self.results.gone = str(error)
            return None
        return self._retried(fitted)

    def _minimised(self, first: Performance, rule: str, advisory: str | None) -> tuple[Performance, int, int]:
        """The shortest performance found that shows the same, and how often it did in how many tries."""
        total_s = self.settings.effort.total_s
        left_s = max(total_s - self.pace.elapsed_s, _LEAST_SHRINKING_S)
        deadline_s = self._now() + min(max(total_s / 4, 5), 30, left_s)
        hanging = _hangs(first)
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
            if hanging or self.results.gone or self._now() > deadline_s:
                return False
            performance = self._retried(candidate)
            if performance is None or not _shows(performance, rule, advisory):
                return False
            best = performance
            return True

        start = _cut(first)
        # What shows after hundreds of steps may be a matter of their time, which fewer would take less of.
        if len(start.steps) > _LONG_STEPS and (waiting := _waiting(first)) is not None and shows(waiting):
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
        cut = _cut(first)
        again = self._retried(plain) if (plain := change(cut)) != cut else None
        if again is None or again.violation is None or again.position < 0:
            return first, rule
        return again, again.violation.rule

    def _retried(self, plan: Scenario) -> Performance | None:
        self.provider.thrifty = False
        try:
            # Money that an earlier try left behind must not become part of the evidence.
            for index in range(plan.players):
                if index in self._start_balances and self._surplus(index) not in range(-_DRIFT, _DRIFT):
                    self._restore(index, self._start_balances[index])
            return self._played(plan)
        except OperatorGoneError as error:
            self.gone(error)
            return None

    def finish(self) -> None:
        """Judge what only a whole run can show, and bring the money back."""
        self._judge_latency()
        if not self.results.gone:
            self._refund_held()
            self.restore()
        self.client.close()

    def _judge_latency(self) -> None:
        for kind, histogram in self.client.recorder.latency.items():
            p95 = histogram.percentile_ms(0.95)
            if p95 is None or "TIME-02" not in RULES:
                continue
            self.results.exercised["TIME-02"] += 1
            if p95 > _SLOW_P95_MS:
                self.results.advise("TIME-02", 1, f"/{kind} took {p95:.0f} ms at the 95th percentile")


def _shows(performance: Performance, rule: str, advisory: str | None) -> bool:
    if advisory is not None:
        return advisory in performance.advisory
    if performance.violation is None:
        return False
    found = performance.violation.rule
    # A shorter race is often one of another kind.
    return found == rule or (_chapter(found) == _chapter(rule) and _chapter(rule) in _OF_THE_NETWORK)


def _is_declined(performance: Performance) -> bool:
    return not performance.tested and bool(performance.declined or performance.limited)


def _up_to(performance: Performance, position: int) -> Performance:
    """A performance as if it had ended with a step."""
    count = performance.steps.index(position) + 1
    order = tuple(index for index in performance.order if index < count)
    return replace(performance, exchanges=performance.exchanges[:count], steps=performance.steps[:count], order=order)


def _chapter(rule: str) -> str:
    return RULES[rule].chapter


def _hangs(performance: Performance) -> bool:
    return performance.exchanges[-1].elapsed_ms > _SLOW_P95_MS


def _waiting(performance: Performance) -> Scenario | None:
    """The steps about the bet that shows the violation, with a wait in the place of all others."""
    plan = _cut(performance)
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


def _cut(performance: Performance) -> Scenario:
    if performance.violation is None:
        return performance.scenario
    plan = performance.scenario
    return replace(plan, steps=plan.steps[: performance.position + 1])
