"""One run of the contract: plays scenarios, keeps what was tested, found and left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pytest_provider_contract.callbacks import about
from pytest_provider_contract.client import OperatorClient, OperatorGoneError
from pytest_provider_contract.funds import Funds
from pytest_provider_contract.inquiry import Inquiry
from pytest_provider_contract.memory import RULE as RECALL_RULE
from pytest_provider_contract.memory import Keepsake, Memory, recall
from pytest_provider_contract.pace import Pace
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.provider import Performance, Provider
from pytest_provider_contract.purse import LimitUnknownError, Purse
from pytest_provider_contract.results import Results
from pytest_provider_contract.rules import RULES, Need
from pytest_provider_contract.scenario import BetPlan, Scenario, bet, scenario, win
from pytest_provider_contract.settings import Settings

# Further tries of declined bets, each with so many other bets before it: whoever declines every
# second or third one meets another bet of the scenario.
_INSISTENCE = (0, 1, 1, 0)
# Plays of a scenario that a closed connection keeps from telling what it is about.
_TRIES_IF_CUT_OFF = 4
_SLOW_P95_MS = 1000
# The share of a run's time that may go into waiting in vain for one kind of callback.
_VAIN_SHARE = 0.6
# The share that one spare stage of a tour may take.
_SPARE_SHARE = 0.04
# A forgetful wallet forgets within seconds or minutes; longer waits are for --operator-recheck.
_MEMORY_S = {"quick": 2.5, "standard": 6.0, "certify": 60.0}
# So many bets are held open for long, and win so much.
_HELD, _PRIZE = 4, 70
_ONE_MORE = scenario(BetPlan(500, 500), bet(), win())


class NotTestedError(Exception):
    """A rule can't be put to the test here; the message says why."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A dense scenario that puts many rules to the test at once.

    Attributes:
        plan: What is played; it is about no single rule.
        shows: Rules, separated by blanks, that it also puts to the test without the ledger's saying so.
        needs: What must be at hand.
        is_spare: Whether it is left out where callbacks take very long.
    """

    plan: Scenario
    shows: str = ""
    needs: Need | None = None
    is_spare: bool = False


class ContractRun:
    """Everything a suite's tests share within one process.

    Args:
        settings: What was asked for, with the endpoint known.
        now: A clock in seconds, for tests.
        spent_s: Seconds of the effort's time that were spent on starting up.
        tests: How many tests will have their turn.
    """

    def __init__(
        self, settings: Settings, now: Callable[[], float] = time.monotonic, spent_s: float = 0.0, tests: int = 1
    ) -> None:
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
        self.provider = Provider(self.client, players, settings.rewards, settings.games)
        self.results = Results(latency=self.client.recorder.latency, overlaps=self.client.recorder.overlaps)
        self.pace = Pace(settings.effort, self.results, now, spent_s, tests)
        self.purse = Purse(self.provider, settings)
        self._inquiry = Inquiry(settings, self.provider, self.purse, self.pace, self.results, now=now)
        self._now = now
        self._opening_failures = 0
        self._before: Scenario | None = None
        self.memory = Memory()
        self._holds = False
        self._next_recall_s = _MEMORY_S["quick"]
        self._recalled: set[str | None] = set()

    # -- money ------------------------------------------------------------------------------------

    def funds(self) -> Funds:
        """What stakes may be drawn from; found out, and topped up for poor players, once.

        Raises:
            ContractViolation: The operator took too long to say what it limits.
        """
        try:
            return self.purse.funds()
        except LimitUnknownError as unknown:
            raise self._inquiry.violated(unknown.performance) from None

    def currency(self, index: int = 0) -> str:
        """A player's currency."""
        self.funds()
        return self.provider.currency(index)

    def idle_longest(self) -> tuple[int, int]:
        """The player whose money has rested longest, and for how many milliseconds."""
        self.funds()
        latest_s = self.client.recorder.latest_s
        since = {i: latest_s[self.provider.players[i].player_id] for i in self.provider.known}
        index = min(since, key=since.__getitem__, default=0)
        return index, round((self._now() - since[index]) * 1000) if since else 0

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
        fitted = (plan if exact_amounts else self.funds().fit(plan)).narrowed(self._widest())
        for _ in range(_TRIES_IF_CUT_OFF):
            performance = self._held(fitted)
            if not performance.is_cut_off:
                break
        if plan.rule is not None and performance.is_declined:
            performance = self._insisted(performance)
        if self.settings.strict and (broken := sorted(performance.advisory)):
            raise self._inquiry.violated(performance, broken[0])
        self.purse.refill(performance)
        return performance

    def _held(self, plan: Scenario) -> Performance:
        """Play a scenario and count what it put to the test.

        Raises:
            ContractViolation: The contract does not explain an answer.
        """
        performance = self._play(plan)
        unasked = performance.steps.count(-1) < plan.players
        if performance.violation is not None and unasked and not performance.hangs:
            performance = self._asking_first(plan, performance)
        if performance.violation is not None:
            raise self._inquiry.violated(performance)
        self._before = plan
        self.results.take(performance)
        self.memory.keep(performance, self.client.recorder.sent)
        return performance

    def _asking_first(self, plan: Scenario, seen: Performance) -> Performance:
        """The better evidence of a violation that showed although no balance was asked for first.

        It went on from the balance that the last scenario ended with. A try that asks first is
        better evidence, if it shows something too.
        """
        thrifty, self.provider.thrifty = self.provider.thrifty, False
        again = self._play(plan)
        if again.violation is None and thrifty and self._before is not None:
            # That one may have left the money otherwise than its replies told.
            again = self._play(self._before)
        elif not _is_first_reply(seen) and not _same_rule(again, seen):
            # What the first try left behind shows otherwise, and hides how it came about.
            return seen
        return again if again.violation is not None else seen

    # -- memory -------------------------------------------------------------------------------------

    def hold_bets(self) -> None:
        """Place some bets that stay open until the last chapter: a stuck round is settled long after [T]."""
        if self._holds or self.pace.is_slow or self.results.gone or self.funds().balance < 1:
            return
        self._holds = True
        plan = self.funds().fit(scenario([BetPlan(100, round=n) for n in range(_HELD)], *map(bet, range(_HELD))))
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
            raise self._inquiry.forgotten(recalled.evidence)
        self.memory.renew(keepsakes, recalled.keepsakes)
        self.results.exercised.update(recalled.exercised)

    def tour(self, stages: Iterable[Stage]) -> None:
        """Put as many rules to the test with as few callbacks as can be, for slow operators.

        Raises:
            ContractViolation: The contract does not explain an answer.
        """
        for stage in stages:
            rules = stage.shows.split()
            impossible = self.settings.lacks(stage.needs) or (
                stage.needs == "large stakes" and (self.funds().stake_limited or not self.funds().allow_large)
            )
            gives_way = stage.is_spare and not self.pace.affords(len(stage.plan.steps), _SPARE_SHARE)
            if impossible or gives_way or self.pace.out_of_time():
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
        try:
            self.purse.make_good(plan.players)
        except OperatorGoneError as error:
            raise self.gone(error) from None
        for in_between in _INSISTENCE:
            for _ in range(in_between):
                self.expect(_ONE_MORE)
            performance = self._play(plan)
            if performance.violation is not None:
                raise self._inquiry.violated(performance)
            self.results.take(performance)
            if not performance.is_declined:
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
        raise self._inquiry.always_declined(performance, min(always_declined), len(_INSISTENCE) + 1)

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
        return NotTestedError(self.results.lose(error))

    def _play(self, plan: Scenario) -> Performance:
        try:
            performance = self._inquiry.play(plan)
        except OperatorGoneError as error:
            raise self.gone(error) from None
        if performance.violation is not None and performance.position < 0:
            self._opening_failures += 1
        return performance

    def finish(self) -> None:
        """Judge what only a whole run can show, and bring the money back."""
        self._judge_latency()
        if not self.results.gone:
            self._refund_held()
            self.results.left += self.purse.restore()
        self.client.close()

    def _judge_latency(self) -> None:
        for kind, histogram in self.client.recorder.latency.items():
            p95 = histogram.percentile_ms(0.95)
            if p95 is None or "TIME-02" not in RULES:
                continue
            self.results.exercised["TIME-02"] += 1
            if p95 > _SLOW_P95_MS:
                self.results.advise("TIME-02", 1, f"/{kind} took {p95:.0f} ms at the 95th percentile")


def _same_rule(one: Performance, other: Performance) -> bool:
    return (one.violation and one.violation.rule) == (other.violation and other.violation.rule)


def _is_first_reply(performance: Performance) -> bool:
    """Whether the last reply is the first about its player, whose balance may be that of the scenario before."""
    *earlier, last = (exchange.callback.player_id for exchange in performance.exchanges)
    return last not in earlier
