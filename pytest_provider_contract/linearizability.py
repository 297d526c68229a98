"""Is there an order of overlapping callbacks that explains every answer?

Wing and Gong's search with memoised states, and the ledger as the specification. It differs
from the usual form in three ways. It finds every state that may be reached, because the judge
goes on from them. An operation has an effect point and a read point: the balance that a reply
reports may be read after the money moved, at any moment before the reply; where nothing moved,
at any moment of the callback. And an operation whose answer nobody knows may take effect at
any moment after it was sent, or never.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.checks import Answer
from pytest_provider_contract.history import Defect
from pytest_provider_contract.ledger import UNTOLD, Branch, Ledger, State, told
from pytest_provider_contract.profile import Kind, Status

# Points visited before a search gives up. Ten callbacks whose balances are told take a few
# hundred; what needs more says too little to be judged (benchmarks/linearizability.py).
BUDGET = 20_000

_Key = TypeVar("_Key", bound=Hashable)
_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Operation:
    """One callback with its interval and what is known of its outcome.

    Attributes:
        callback: What the provider sent.
        answer: What was answered, or None when nobody knows whether it happened.
        started_s: Monotonic seconds before which it can't have taken effect.
        ended_s: Monotonic seconds after which it can't; infinite for an unknown outcome.
        defect: What was deliberately wrong with it.
    """

    callback: Callback
    answer: Answer | None
    started_s: float = 0.0
    ended_s: float = math.inf
    defect: Defect | None = None

    @property
    def balance(self) -> int | None:
        """The balance that was reported, in minor units."""
        return self.answer.balance if self.answer else None


@dataclass(frozen=True, slots=True)
class Situation:
    """A state of the wallet, and the operations that may still take effect, by index."""

    state: State
    open: frozenset[int] = _NONE


@dataclass(frozen=True, slots=True)
class _Point:
    """Where a search stands.

    Attributes:
        state: What the wallet holds.
        todo: Operations that have not taken effect.
        waiting: Operations that have, but whose reported balance was not the player's yet.
        seen: Operations of `todo` whose reported balance was the player's since they started.
    """

    state: State
    todo: frozenset[int]
    waiting: frozenset[int] = _NONE
    seen: frozenset[int] = _NONE


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found.

    Attributes:
        ends: Every situation that explains all answers, with the SHOULD rules that no way to
            it follows. Empty when no order explains them.
        complete: False when the budget ran out: then nothing is proved.
        order: Indexes of the operations in the order of one explanation that took effect.
        furthest: Per situation from which no way led on, the operations left; for wording.
    """

    ends: dict[Situation, frozenset[str]]
    complete: bool
    order: tuple[int, ...] = ()
    furthest: tuple[Situation, ...] = ()


@dataclass(slots=True)
class _Searcher:
    ledger: Ledger
    operations: Sequence[Operation]
    budget: int
    visited: int = 0
    _before: dict[int, frozenset[int]] = field(default_factory=dict)
    _twins: dict[int, frozenset[int]] = field(default_factory=dict)
    _fresh: frozenset[int] = _NONE
    _movements: list[frozenset[int]] = field(default_factory=list)
    _defects: bool = False
    _reachable: dict[tuple[str, frozenset[int]], frozenset[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        operations = self.operations
        self._defects = any(operation.defect for operation in operations)
        for i, one in enumerate(operations):
            self._before[i] = frozenset(j for j, other in enumerate(operations) if other.ended_s < one.started_s)
        keys = _twin_keys(operations, self._before)
        for i in range(len(operations)):
            self._twins[i] = frozenset(j for j in range(i) if keys[j] == keys[i])

    def run(self, starts: Mapping[Situation, frozenset[str]]) -> Search:
        answered = frozenset(i for i, operation in enumerate(self.operations) if operation.answer is not None)
        # Every step does one operation more, so a layer holds all ways of the same length.
        states = [situation.state for situation in starts]
        self._movements = _movements(self.operations, states)
        self._fresh = frozenset(i for i in answered if self._reports_its_effect(i, states))
        layer: dict[_Point, frozenset[str]] = {}
        for situation, advice in starts.items():
            if (start := self._arrived(situation.state, situation.open)) is not None:
                keep(layer, start, advice)
        came_from: dict[_Point, tuple[_Point, int] | None] = dict.fromkeys(layer)
        ends: dict[Situation, frozenset[str]] = {}
        last: dict[_Point, frozenset[str]] = layer
        finished: _Point | None = None
        while layer:
            last = layer
            for point, advice in layer.items():
                if not (point.todo & answered or point.waiting):
                    keep(ends, Situation(point.state, point.todo), advice)
                    finished = finished or point
            following: dict[_Point, frozenset[str]] = {}
            for point, advice in layer.items():
                for operation, reached, more in self._steps(point):
                    self.visited += 1
                    if self.visited > self.budget:
                        return Search(ends, complete=False)
                    came_from.setdefault(reached, (point, operation))
                    keep(following, reached, advice | more)
            layer = following
        furthest = tuple(Situation(point.state, point.todo | point.waiting) for point in last)
        return Search(ends, complete=True, order=_order(finished, came_from), furthest=furthest)

    def _steps(self, point: _Point) -> list[tuple[int, _Point, frozenset[str]]]:
        steps = []
        unfinished = point.todo | point.waiting
        for i in point.todo:
            if not self._before[i].isdisjoint(unfinished) or not self._twins[i].isdisjoint(point.todo):
                continue
            operation = self.operations[i]
            for branch in self.ledger.branches(point.state, operation.callback, operation.defect):
                if operation.answer is not None and operation.answer.status not in branch.statuses:
                    continue
                waits = self._must_wait(point, i, branch)
                if waits is None:
                    continue
                todo, waiting, seen = point.todo - {i}, point.waiting, point.seen - {i}
                state = branch.state
                if operation.answer is None:
                    state = told(point.state, state, operation.callback, UNTOLD)
                elif waits:
                    state = told(point.state, state, operation.callback, operation.balance or 0)
                    waiting = waiting | {i}
                if (reached := self._arrived(state, todo, waiting, seen)) is not None:
                    steps.append((i, reached, branch.advisory))
        return steps

    def _must_wait(self, point: _Point, i: int, branch: Branch) -> bool | None:
        """Whether the reported balance is still to come; None when it can't be."""
        operation = self.operations[i]
        balance = operation.balance
        if balance is None or branch.balances is None or balance in branch.balances:
            return False
        now = branch.state.balances.get(operation.callback.player_id)
        if now not in branch.balances:
            return None  # only the original reply's balance would do
        return not (branch.state.balances == point.state.balances and i in point.seen)

    def _arrived(
        self,
        state: State,
        todo: frozenset[int],
        waiting: frozenset[int] = _NONE,
        seen: frozenset[int] = _NONE,
    ) -> _Point | None:
        """The point with every balance read that can be read here: reading at once leaves the most open.

        None when a reported balance can't come up any more.
        """
        if waiting:
            waiting = frozenset(i for i in waiting if not self._tells(i, state))
        unfinished = todo | waiting
        fresh = frozenset(i for i in todo - seen if self._tells(i, state) and self._before[i].isdisjoint(unfinished))
        seen |= fresh
        # Wrong amounts may be read as others: then nothing can be ruled out.
        due = _NONE if self._defects else waiting | (self._fresh & todo - seen)
        if any(not self._may_come(i, state, todo) for i in due):
            return None
        return _Point(state, todo, waiting, seen)

    def _may_come(self, i: int, state: State, todo: frozenset[int]) -> bool:
        """Whether what is left to do could make the player's balance the one that was reported."""
        player_id = self.operations[i].callback.player_id
        reachable = self._reachable.get((player_id, todo))
        if reachable is None:
            moves = [self._movements[j] for j in todo if self.operations[j].callback.player_id == player_id]
            reachable = self._reachable[player_id, todo] = _sums(moves)
        return (self.operations[i].balance or 0) - state.balances[player_id] in reachable

    def _reports_its_effect(self, i: int, states: Sequence[State]) -> bool:
        """Whether it is a first bet or win that succeeded: no earlier reply's balance can stand in its own."""
        operation, id_ = self.operations[i], self.operations[i].callback.transaction_id
        if operation.balance is None or operation.answer is None or operation.answer.status is not Status.SUCCESS:
            return False
        copies = sum(id_ in (o.callback.transaction_id, o.callback.reference_id) for o in self.operations)
        known = any(id_ in state.bets or id_ in state.wins for state in states)
        return operation.callback.kind in (Kind.BET, Kind.WIN) and copies == 1 and not known

    def _tells(self, i: int, state: State) -> bool:
        operation = self.operations[i]
        balance = operation.balance
        return balance is not None and state.balances.get(operation.callback.player_id) == balance


def search(
    ledger: Ledger,
    starts: Mapping[Situation, frozenset[str]],
    operations: Sequence[Operation],
    *,
    budget: int = BUDGET,
) -> Search:
    """Every situation in which all answers are explained.

    Args:
        ledger: The specification.
        starts: Situations that explained what was seen before, with their broken SHOULD rules;
            `Situation.open` names every operation that may take effect from there.
        operations: Those with an answer must take effect, the others may.
        budget: Points to visit before giving up.
    """
    return _Searcher(ledger, operations, budget).run(starts)


def _twin_keys(operations: Sequence[Operation], before: Mapping[int, frozenset[int]]) -> list[tuple[object, ...]]:
    """Operations of the same key can change places, so one order of them is enough.

    They are the same callback about the same things, answered alike, with the same operations
    before and after them. A transactionId that nothing else names does not tell them apart.
    """
    callbacks = [operation.callback for operation in operations]
    named = Counter(id_ for c in callbacks for id_ in {c.transaction_id, c.reference_id})
    keys: list[tuple[object, ...]] = []
    for i, (operation, callback) in enumerate(zip(operations, callbacks, strict=True)):
        name = callback.transaction_id if named[callback.transaction_id] > 1 else None
        after = frozenset(j for j in before if i in before[j])
        told = None if operation.answer is None else (operation.answer.status, operation.answer.balance)
        about = (callback.kind, callback.player_id, name, callback.reference_id, callback.amount, callback.currency)
        more = (callback.round_id, callback.round_closed, callback.reward_id, operation.defect)
        keys.append((*about, *more, told, before[i], after))
    return keys


def _movements(operations: Sequence[Operation], states: Sequence[State]) -> list[frozenset[int]]:
    """Per operation every change of its player's balance that some branch may bring, and perhaps more."""
    callbacks = [operation.callback for operation in operations]
    bets = {(id_, bet.amount) for state in states for id_, bet in state.bets.items()}
    bets |= {(c.transaction_id or "", c.amount or 0) for c in callbacks if c.kind is Kind.BET}
    wins = {(win.reference_id, id_, win.amount) for state in states for id_, win in state.wins.items()}
    wins |= {(c.reference_id or "", c.transaction_id or "", c.amount or 0) for c in callbacks if c.kind is Kind.WIN}

    def moves(callback: Callback) -> set[int]:
        match callback.kind:
            case Kind.BET:
                return {-(callback.amount or 0)}
            case Kind.WIN:
                return {callback.amount or 0}
            case Kind.ROLLBACK:
                # A wallet may undo a settled bet as a whole: the stake comes back, its wins go.
                won = _sums([frozenset({amount}) for about, _, amount in wins if about == callback.reference_id])
                return {stake - sum_ for id_, stake in bets if id_ == callback.reference_id for sum_ in won}
            case _:
                return set()

    return [frozenset(moves(callback)) for callback in callbacks]


def _sums(moves: Sequence[frozenset[int]]) -> frozenset[int]:
    """Every sum of some of the moves, at most one of each set."""
    sums = {0}
    for choices in moves:
        sums |= {sum_ + move for sum_ in sums for move in choices}
    return frozenset(sums)


def _order(end: _Point | None, came_from: Mapping[_Point, tuple[_Point, int] | None]) -> tuple[int, ...]:
    order = []
    while end is not None and (step := came_from[end]) is not None:
        end, operation = step
        order.append(operation)
    return tuple(reversed(order))


def keep(kept: dict[_Key, frozenset[str]], key: _Key, advice: frozenset[str]) -> None:
    """Add one way to reach something, with the SHOULD rules that it does not follow."""
    # Two ways to the same place: only what both fail to follow is a fact.
    kept[key] = kept[key] & advice if key in kept else advice
