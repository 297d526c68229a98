"""Judging a history: keep every state of the ledger that explains what was seen so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.checks import Answer, Violation, grouped, read_answer
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.ledger import ERRORS, Branch, Fate, Ledger, State
from pytest_provider_contract.linearizability import Operation, Search, Situation, keep, search
from pytest_provider_contract.profile import Kind, Profile, Status
from pytest_provider_contract.transport import Failure, Fault

_EVERY_REPLY = ("REPLY-01", "REPLY-04", "REPLY-05", "REPLY-06", "REPLY-07", "REPLY-08")


@dataclass(slots=True)
class Judge:
    """Judges exchanges in the order in which they were sent, overlapping ones together.

    Args:
        ledger: The money rules for the players involved.
        profile: The dialect of the replies.
        state: What the wallet holds at the start.

    Attributes:
        exercised: How often each rule was put to the test and held.
        seen: Exchanges judged so far.
        step_rules: The rule each of them put to the test, None where several could explain it.
        order: Indexes of `seen` in an order that explains the answers.
        statuses: What was answered, by index of `seen`.
        declined: Indexes of `seen` of bets that could be paid and were declined without a good reason.
        limited: How many bets were declined by a limit of the operator's own.
        ledger_violation: Whether the violation is one of money or status, not of form.
        undecided: Whether the search for an order gave up, which proves nothing.
    """

    ledger: Ledger
    profile: Profile
    state: State
    exercised: Counter[str] = field(default_factory=Counter)
    seen: list[Exchange] = field(default_factory=list)
    step_rules: list[str | None] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    statuses: dict[int, Status] = field(default_factory=dict)
    declined: list[int] = field(default_factory=list)
    limited: int = 0
    ledger_violation: bool = False
    undecided: bool = False
    _explanations: dict[Situation, frozenset[str]] = field(init=False)
    _pending: list[tuple[int, Operation]] = field(default_factory=list)
    _advisory: set[str] = field(default_factory=set)
    _blamed: str = "BALANCE-01"
    _outdated: frozenset[int | None] = frozenset()
    _mover: str | None = None
    _lost: str | None = None

    def __post_init__(self) -> None:
        self._explanations = {Situation(self.state): frozenset()}

    @property
    def states(self) -> list[State]:
        """The states that still explain everything seen."""
        return list(dict.fromkeys(situation.state for situation in self._explanations))

    def unsettled(self) -> list[Callback]:
        """Callbacks that may still move money: their replies were not waited for."""
        return [
            operation.callback
            for i, (_, operation) in enumerate(self._pending)
            if any(i in situation.open and self._moves(situation.state, operation) for situation in self._explanations)
        ]

    def _moves(self, state: State, operation: Operation) -> bool:
        branches = self.ledger.branches(state, operation.callback, operation.defect)
        return any(branch.state.balances != state.balances for branch in branches)

    @property
    def advisory(self) -> frozenset[str]:
        """SHOULD rules that were not followed, whichever explanation is the right one."""
        return frozenset(self._advisory).union(frozenset.intersection(*self._explanations.values()))

    def see(self, exchange: Exchange) -> Violation | None:
        """Judge one more exchange; None when the contract explains it.

        After a violation the judge is spent: no state is left to go on from.
        """
        if self._pending or exchange.fault is not None:
            return self.see_together((exchange,))
        options = [
            (advisory, branch)
            for situation, advisory in self._explanations.items()
            for branch in self.ledger.branches(situation.state, exchange.callback, exchange.defect)
        ]
        self._note(exchange)
        self.order.append(len(self.seen) - 1)
        blamed = self._blame(exchange, options)
        rule = self._lost or blamed
        if exchange.reply.idle:
            for advisory, branch in options:
                keep(self._explanations, Situation(branch.state), advisory)
            return None
        answer = self._read(exchange)
        if isinstance(answer, Violation):
            return answer
        matched = [(a, b) for a, b in options if answer.status in b.statuses and _reports(b, answer)]
        if not matched:
            self.ledger_violation = True
            if exchange.kind is Kind.BALANCE and answer.balance in self._outdated and rule != "PLAYER-01":
                rule = "BALANCE-02"
            return _unexplained([branch for _, branch in options], answer, rule)
        before = self.states
        self._explanations = {}
        for advisory, branch in matched:
            keep(self._explanations, Situation(branch.state), advisory | branch.advisory)
        rules = {branch.rule for _, branch in matched}
        self._note_declined(exchange, answer, rules)
        self._count(exchange, answer)
        self.statuses[len(self.seen) - 1] = answer.status
        # Only a rule that all explanations agree on was put to the test.
        if len(rules) == 1 and (rule_met := rules.pop()) is not None:
            self.step_rules[-1] = rule_met
            self.exercised[rule_met] += 1
            self.exercised.update(_SIBLINGS.get(rule_met, ()))
        self._note_outdated(exchange.callback.player_id, before, answer)
        if exchange.kind is Kind.BALANCE and exchange.defect is None:
            self._blamed = "BALANCE-01"  # whatever moved the money moved it rightly
            self._outdated = frozenset()
        return None

    def _note_declined(self, exchange: Exchange, answer: Answer, rules: Collection[str | None]) -> None:
        if exchange.kind is Kind.BET and set(rules) == {None} and answer.status in _NO_REASON:
            self.declined.append(len(self.seen) - 1)

    def _note_outdated(self, player_id: str, before: Sequence[State], answer: Answer) -> None:
        """Keep what callbacks changed and told rightly: a probe that shows it as it was is outdated."""
        if player_id not in self.ledger.currencies:
            return
        now = {state.balances[player_id] for state in self.states}
        if answer.status is Status.SUCCESS and now == {answer.balance}:
            self._outdated = self._outdated.union(state.balances[player_id] for state in before) - now
        else:
            self._outdated = frozenset()

    def see_together(self, exchanges: Sequence[Exchange]) -> Violation | None:
        """Judge exchanges that overlap each other, or callbacks that nobody waited for."""
        first = len(self.seen)
        fresh = self._operations(exchanges)
        if isinstance(fresh, Violation):
            return fresh
        operations = [*self._pending, *fresh]
        open_ = frozenset(range(len(self._pending), len(operations)))
        starts = {Situation(s.state, s.open | open_): advice for s, advice in self._explanations.items()}
        found = search(self.ledger, starts, [operation for _, operation in operations])
        self._lost = lost_rule(self.seen) if self._lost or any(e.fault for e in exchanges) else None
        rule = self._lost or self._blame_together(exchanges, found)
        if not found.complete:
            self.undecided = True
            return None
        if not found.ends:
            self.ledger_violation = True
            states = {situation.state for situation in (*starts, *found.furthest)}
            return _no_order(self.ledger, states, [operation for _, operation in fresh], rule)
        self.order += [operations[i][0] for i in found.order]
        self._go_on(found, operations)
        for index, operation in fresh:
            if operation.answer is not None:
                self._count(self.seen[index], operation.answer)
                self.statuses[index] = operation.answer.status
                if self._is_declined(operation):
                    self.declined.append(index)
        self.exercised["RACE-08"] += len(self.seen) - first > 1
        return None

    def _operations(self, exchanges: Sequence[Exchange]) -> list[tuple[int, Operation]] | Violation:
        """What was asked of the wallet, with indexes of `seen`; or what is wrong with the form of a reply."""
        operations = []
        for exchange in exchanges:
            self._note(exchange)
            if exchange.fault is Fault.CUT:
                continue  # half a request can't have had an effect
            operation = self._operation(exchange)
            if exchange.twin is not None:
                operation = self._better(operation, exchange.twin)
                # What the other delivery was answered is nobody's concern: the wallet may refuse a
                # requestId that it has seen.
                operations.append((len(self.seen) - 1, Operation(exchange.callback, None, exchange.started_s)))
            if isinstance(operation, Violation):
                return replace(operation, rule=_of_race(operation.rule)) if len(exchanges) > 1 else operation
            operations.append((len(self.seen) - 1, operation))
        return operations

    def _better(self, one: Operation | Violation, twin: Exchange) -> Operation | Violation:
        other = self._operation(twin)
        succeeded = isinstance(other, Operation) and other.answer and other.answer.status is Status.SUCCESS
        if succeeded and (isinstance(one, Violation) or one.answer is None or one.answer.status is not Status.SUCCESS):
            return other
        return one

    def _operation(self, exchange: Exchange) -> Operation | Violation:
        callback, defect = exchange.callback, exchange.defect
        if exchange.reply.idle or exchange.reply.failure is Failure.ABANDONED:
            return Operation(callback, None, exchange.started_s, defect=defect)
        answer = self._read(exchange)
        if isinstance(answer, Violation):
            return answer
        return Operation(callback, answer, exchange.started_s, exchange.ended_s, defect)

    def _go_on(self, found: Search, operations: Sequence[tuple[int, Operation]]) -> None:
        """Keep what is still open under new numbers."""
        unknown = [i for i, (_, operation) in enumerate(operations) if operation.answer is None]
        numbers = {old: new for new, old in enumerate(unknown)}
        self._pending = [operations[i] for i in unknown]
        self._explanations = {
            Situation(end.state, frozenset(numbers[i] for i in end.open)): advice for end, advice in found.ends.items()
        }

    def _is_declined(self, operation: Operation) -> bool:
        """Whether it is a bet of money that was declined, in every explanation, without a good reason."""
        bet, answer = operation.callback, operation.answer
        if bet.kind is not Kind.BET or not bet.amount or answer is None or answer.status is not Status.UNKNOWN:
            return False
        rollbacks = (e.callback for e in self.seen if e.kind is Kind.ROLLBACK and e.defect is None)
        if any(rollback.reference_id == bet.transaction_id for rollback in rollbacks):
            return False  # it may have come first, been refused, and be the reason
        records = [state.bets.get(bet.transaction_id or "") for state in self.states]
        return all(record is not None and record.fate is Fate.DECLINED for record in records)

    def _note(self, exchange: Exchange) -> None:
        self.seen.append(exchange)
        self.step_rules.append(None)

    def _read(self, exchange: Exchange) -> Answer | Violation:
        answer = read_answer(exchange, self.profile)
        if isinstance(answer, Violation):
            return answer
        return self._wrong_currency(exchange, answer) or answer

    def _blame_together(self, exchanges: Sequence[Exchange], found: Search) -> str:
        if len(exchanges) > 1:
            players = {exchange.callback.player_id for exchange in exchanges}
            first = exchanges[0].callback.player_id
            self._mover = first if len(players) == 1 else None
            funds = max(s.state.balances.get(first, 0) for s in self._explanations)
            self._blamed = race_rule([exchange.callback for exchange in exchanges], funds)
            return self._blamed
        (exchange,) = exchanges
        branches = [
            (frozenset[str](), branch)
            for situation in found.ends or found.furthest or self._explanations
            for branch in self.ledger.branches(situation.state, exchange.callback, exchange.defect)
        ]
        return self._blame(exchange, branches)

    def _blame(self, exchange: Exchange, options: Sequence[tuple[frozenset[str], Branch]]) -> str:
        # A probe that finds the wrong money accuses the callback that moved it.
        if exchange.kind is not Kind.BALANCE or exchange.defect is not None:
            self._blamed = next((branch.rule for _, branch in options if branch.rule), "REPLY-01")
            self._mover = exchange.callback.player_id
        elif self._mover in self.ledger.currencies and self._mover != exchange.callback.player_id:
            return "PLAYER-01"
        return self._blamed

    def _count(self, exchange: Exchange, answer: Answer) -> None:
        self.exercised.update(_EVERY_REPLY)
        if exchange.kind is Kind.BET:
            self.exercised["TIME-01"] += 1
            self.limited += answer.status is Status.BET_LIMIT
        known = exchange.callback.player_id in self.ledger.currencies
        if answer.status is not Status.SUCCESS and exchange.defect is None and known:
            self.exercised["REPLY-09"] += 1
        if answer.status is Status.SUCCESS and exchange.defect is None:
            self.exercised["BALANCE-04"] += 1
        if exchange.callback.player_id in self.ledger.currencies:
            self._advisory |= answer.advisory
        else:
            # Nobody can say what an unknown player owns.
            self._advisory |= answer.advisory - {"REPLY-09"}

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


def _no_order(
    ledger: Ledger,
    states: Collection[State],
    operations: Sequence[Operation],
    rule: str,
) -> Violation:
    """What no order of some operations explains."""
    answered = [operation for operation in operations if operation.answer is not None]
    operation = answered[0]
    if len(answered) == 1 and operation.answer is not None:
        callback, defect = operation.callback, operation.defect
        branches = [branch for state in states for branch in ledger.branches(state, callback, defect)]
        return _unexplained(branches, operation.answer, rule)
    replies = Counter(
        f"/{operation.callback.kind} {operation.answer.status}"
        + (f" {grouped(operation.answer.balance)}" if operation.answer.balance is not None else "")
        for operation in answered
        if operation.answer is not None
    )
    told = " ‖ ".join(f"{count} times {reply}" if count > 1 else reply for reply, count in replies.items())
    return Violation(rule, f"replies as if the {len(operations)} callbacks had come one after the other", told)


def race_rule(callbacks: Sequence[Callback], funds: int) -> str:
    """The rule that callbacks sent at the same time put to the test, the most telling first.

    Args:
        callbacks: What was sent.
        funds: Minor units that the first one's player has at most.
    """
    copies = Counter((c.kind, c.transaction_id if c.kind is not Kind.ROLLBACK else c.reference_id) for c in callbacks)
    repeated = {kind for (kind, _), count in copies.items() if count > 1}
    bets = {c.transaction_id: c.amount or 0 for c in callbacks if c.kind is Kind.BET}
    if len({c.player_id for c in callbacks}) > 1:
        return "RACE-07"
    if any(c.kind is Kind.ROLLBACK and c.reference_id in bets for c in callbacks):
        return "RACE-06"
    for kind, rule in ((Kind.BET, "RACE-01"), (Kind.WIN, "RACE-02"), (Kind.ROLLBACK, "RACE-03")):
        if kind in repeated:
            return rule
    return "RACE-04" if sum(bets.values()) > funds else "RACE-05"


def lost_rule(seen: Sequence[Exchange]) -> str:
    """The rule that the first fault on the way put to the test."""
    index, broken = next((i, e) for i, e in enumerate(seen) if e.fault is not None)
    match broken.fault:
        case Fault.CUT:
            return "LOST-05"
        case Fault.TWICE:
            return "LOST-06"
        case Fault.SLOW_WRITE | Fault.SLOW_READ:
            return "LOST-07"
    if broken.kind is Kind.BET:
        rolled_back = any(e.callback.reference_id == broken.callback.transaction_id for e in seen[index:])
        return "LOST-02" if rolled_back else "LOST-01"
    return "LOST-03" if broken.kind is Kind.WIN else "LOST-04"


def _of_race(rule: str) -> str:
    # Alone, the same callback may well have got its HTTP 200.
    return "RACE-08" if rule in ("REPLY-01", "TIME-01") else rule


# Of a bet that can be paid neither says why it is declined, as a limit or a used up reward would.
_NO_REASON = (Status.UNKNOWN, Status.INSUFFICIENT_BALANCE)

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


def _reports(branch: Branch, answer: Answer) -> bool:
    return branch.balances is None or answer.balance is None or answer.balance in branch.balances
