"""Judging a history: keep every state of the ledger that explains what was seen so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_provider_contract.checks import Answer, Violation, grouped, read_answer
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.ledger import ERRORS, Branch, Ledger, State
from pytest_provider_contract.profile import Kind, Profile, Status

_EVERY_REPLY = ("REPLY-01", "REPLY-04", "REPLY-05", "REPLY-06", "REPLY-07", "REPLY-08")


@dataclass(slots=True)
class Judge:
    """Judges exchanges one after the other, in the order in which they were sent.

    Args:
        ledger: The money rules for the players involved.
        profile: The dialect of the replies.
        state: What the wallet holds at the start.

    Attributes:
        exercised: How often each rule was put to the test and held.
        seen: Exchanges judged so far.
        step_rules: The rule each of them put to the test, None where several could explain it.
        declined: How many bets that could be paid were declined without a reason being given.
        ledger_violation: Whether the violation is one of money or status, not of form.
    """

    ledger: Ledger
    profile: Profile
    state: State
    exercised: Counter[str] = field(default_factory=Counter)
    seen: list[Exchange] = field(default_factory=list)
    step_rules: list[str | None] = field(default_factory=list)
    declined: int = 0
    ledger_violation: bool = False
    _explanations: dict[State, frozenset[str]] = field(init=False)
    _advisory: set[str] = field(default_factory=set)
    _blamed: str = "BALANCE-01"
    _outdated: frozenset[int | None] = frozenset()
    _mover: str | None = None

    def __post_init__(self) -> None:
        self._explanations = {self.state: frozenset()}

    @property
    def states(self) -> list[State]:
        """The states that still explain everything seen."""
        return list(self._explanations)

    @property
    def advisory(self) -> frozenset[str]:
        """SHOULD rules that were not followed, whichever explanation is the right one."""
        return frozenset(self._advisory).union(frozenset.intersection(*self._explanations.values()))

    def see(self, exchange: Exchange) -> Violation | None:
        """Judge one more exchange; None when the contract explains it.

        After a violation the judge is spent: no state is left to go on from.
        """
        options = [
            (advisory, branch)
            for state, advisory in self._explanations.items()
            for branch in self.ledger.branches(state, exchange.callback, exchange.defect)
        ]
        self.seen.append(exchange)
        self.step_rules.append(None)
        rule = self._blame(exchange, options)
        if exchange.reply.idle:
            for advisory, branch in options:
                _keep(self._explanations, branch.state, advisory)
            return None
        answer = read_answer(exchange, self.profile)
        if isinstance(answer, Violation):
            return answer
        if violation := self._wrong_currency(exchange, answer):
            return violation
        matched = [(a, b) for a, b in options if answer.status in b.statuses and _reports(b, answer)]
        if not matched:
            self.ledger_violation = True
            if exchange.kind is Kind.BALANCE and answer.balance in self._outdated and rule != "PLAYER-01":
                rule = "BALANCE-02"
            return _unexplained([branch for _, branch in options], answer, rule)
        before = self.states
        self._explanations = {}
        for advisory, branch in matched:
            _keep(self._explanations, branch.state, advisory | branch.advisory)
        if exchange.callback.player_id in self.ledger.currencies:
            self._advisory |= answer.advisory
        else:
            # Nobody can say what an unknown player owns.
            self._advisory |= answer.advisory - {"REPLY-09"}
        rules = {branch.rule for _, branch in matched}
        self.declined += exchange.kind is Kind.BET and rules == {None} and answer.status is Status.UNKNOWN
        self._count(exchange, answer, rules)
        self._note_outdated(exchange.callback.player_id, before, answer)
        if exchange.kind is Kind.BALANCE and exchange.defect is None:
            self._blamed = "BALANCE-01"  # whatever moved the money moved it rightly
            self._outdated = frozenset()
        return None

    def _note_outdated(self, player_id: str, before: Sequence[State], answer: Answer) -> None:
        """Keep what callbacks changed and told rightly: a probe that shows it as it was is outdated."""
        if player_id not in self.ledger.currencies:
            return
        now = {state.balances[player_id] for state in self.states}
        if answer.status is Status.SUCCESS and now == {answer.balance}:
            self._outdated = self._outdated.union(state.balances[player_id] for state in before) - now
        else:
            self._outdated = frozenset()

    def _blame(self, exchange: Exchange, options: Sequence[tuple[frozenset[str], Branch]]) -> str:
        # A probe that finds the wrong money accuses the callback that moved it.
        if exchange.kind is not Kind.BALANCE or exchange.defect is not None:
            self._blamed = next((branch.rule for _, branch in options if branch.rule), "REPLY-01")
            self._mover = exchange.callback.player_id
        elif self._mover in self.ledger.currencies and self._mover != exchange.callback.player_id:
            return "PLAYER-01"
        return self._blamed

    def _count(self, exchange: Exchange, answer: Answer, rules: set[str | None]) -> None:
        self.exercised.update(_EVERY_REPLY)
        if exchange.kind is Kind.BET:
            self.exercised["TIME-01"] += 1
        known = exchange.callback.player_id in self.ledger.currencies
        if answer.status is not Status.SUCCESS and exchange.defect is None and known:
            self.exercised["REPLY-09"] += 1
        if answer.status is Status.SUCCESS and exchange.defect is None:
            self.exercised["BALANCE-04"] += 1
        # Only a rule that all explanations agree on was put to the test.
        if len(rules) == 1 and (rule := rules.pop()) is not None:
            self.step_rules[-1] = rule
            self.exercised[rule] += 1
            self.exercised.update(_SIBLINGS.get(rule, ()))

    def _wrong_currency(self, exchange: Exchange, answer: Answer) -> Violation | None:
        currency = self.ledger.currencies.get(exchange.callback.player_id)
        told = answer.status is Status.SUCCESS and exchange.defect is None and currency is not None
        if not told or answer.currency == currency:
            return None
        return Violation("BALANCE-04", f"currency {currency}", f"currency {answer.currency}")


def _unexplained(branches: Sequence[Branch], answer: Answer, rule: str) -> Violation:
    rightly = [branch for branch in branches if answer.status in branch.statuses]
    if not rightly:
        # Answers that show nothing, such as an operator's own limit, are left unsaid.
        telling = [branch for branch in branches if branch.rule] or branches
        statuses = frozenset(status for branch in telling for status in branch.statuses)
        listed = "an error status" if statuses == ERRORS else "status " + " or ".join(sorted(statuses))
        return Violation(rule, listed, f"status {answer.status}")
    balances = {balance for branch in rightly for balance in branch.balances or ()}
    expected = " or ".join(grouped(balance) for balance in sorted(balances))
    return Violation(rule, f"balance {expected}", f"balance {grouped(answer.balance or 0)}")


# A step that obeys one rule puts its SHOULD sibling to the test too.
_SIBLINGS = {
    "IDEM-03": ("IDEM-05",),
    "IDEM-04": ("IDEM-05",),
    "PLAYER-02": ("PLAYER-03",),
    "ROLLBACK-11": ("ROLLBACK-09",),
    "WIN-05": ("WIN-04",),
}


def opening_balance(exchange: Exchange, profile: Profile) -> Answer | Violation:
    """Read a player's first balance, which is taken as the money to start from."""
    answer = read_answer(exchange, profile)
    if isinstance(answer, Violation):
        return answer
    if answer.status is not Status.SUCCESS or answer.balance is None:
        return Violation("BALANCE-01", "status SUCCESS", f"status {answer.status}")
    if answer.balance < 0:
        return Violation("BALANCE-01", "a balance of 0 or more", f"balance {grouped(answer.balance)}")
    return answer


def _keep(explained: dict[State, frozenset[str]], state: State, advisory: frozenset[str]) -> None:
    # Two ways to the same state: only what both fail to follow is a fact.
    explained[state] = explained[state] & advisory if state in explained else advisory


def _reports(branch: Branch, answer: Answer) -> bool:
    return branch.balances is None or answer.balance is None or answer.balance in branch.balances
