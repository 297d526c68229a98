"""The search for an order, against trying all orders of all effects and reads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.checks import Answer
from pytest_provider_contract.ledger import UNTOLD, Branch, Ledger, State, told
from pytest_provider_contract.linearizability import Operation, Situation, search
from pytest_provider_contract.profile import Either, Kind, Status

# A tracer costs these half their time, and every line that they reach others reach too.
UNTRACED = pytest.mark.no_cover

LEDGER = Ledger({"ann": "EUR", "bob": "EUR"})
START = State({"ann": 100, "bob": 100})


def callback(kind: Kind, about: str, amount: int = 60, player: str = "ann", attempt: str = "") -> Callback:
    own = {Kind.BET: about, Kind.WIN: f"win of {about}", Kind.ROLLBACK: f"rollback of {about}{attempt}"}
    if kind is Kind.BALANCE:
        return Callback(kind, "request", player, "session", "now")
    return Callback(
        kind,
        "request",
        player,
        "session",
        "now",
        transaction_id=own[kind],
        reference_id=None if kind is Kind.BET else about,
        round_id="round",
        game_id="game",
        amount=None if kind is Kind.ROLLBACK else amount,
        currency=None if kind is Kind.ROLLBACK else "EUR",
        round_closed=None if kind is Kind.BET else False,
    )


CALLBACKS = [
    callback(Kind.BET, "one"),
    callback(Kind.BET, "two"),
    callback(Kind.BET, "three", 40),
    callback(Kind.BET, "his", 60, "bob"),
    callback(Kind.WIN, "one", 25),
    callback(Kind.WIN, "two", 0),
    callback(Kind.ROLLBACK, "one"),
    callback(Kind.ROLLBACK, "one", attempt=" again"),
    callback(Kind.ROLLBACK, "one", player="bob"),
    callback(Kind.ROLLBACK, "two"),
    callback(Kind.BALANCE, ""),
]
PREFIXES = [(), (CALLBACKS[0],), (CALLBACKS[0], CALLBACKS[4]), (CALLBACKS[0], CALLBACKS[2])]


@dataclass(frozen=True)
class History:
    start: State
    operations: tuple[Operation, ...]


def balance_after(branch: Branch, player: str, chooser: Random) -> int:
    return chooser.choice(sorted(branch.balances)) if branch.balances else branch.state.balances[player]


def carried_out(chooser: Random, width: int) -> History:
    """A history of a wallet that does what the contract asks, one effect after the other."""
    state = START
    for callback_ in chooser.choice(PREFIXES):
        state = LEDGER.branches(state, callback_)[0].state
    start = state
    todo = [chooser.choice(CALLBACKS) for _ in range(width)]
    events = [(i, what) for i in range(width) for what in ("effect", "read")]
    chooser.shuffle(events)
    moment = {event: position for position, event in enumerate(events)}
    for i in range(width):
        first, last = sorted((moment[i, "effect"], moment[i, "read"]))
        moment[i, "effect"], moment[i, "read"] = first, last
    happening = sorted(moment, key=lambda event: moment[event])
    named = Counter(id_ for c in todo for id_ in (c.transaction_id, c.reference_id))
    chosen: dict[int, Branch] = {}
    reported: dict[int, int] = {}
    for i, what in happening:
        alone = named[todo[i].transaction_id] == 1 and named[todo[i].reference_id] < 2
        if what == "effect":
            branch = chooser.choice(LEDGER.branches(state, todo[i]))
            chosen[i], state = branch, branch.state
            reported[i] = balance_after(branch, todo[i].player_id, chooser)
        elif alone and chosen[i].balances and chooser.random() < 0.5:
            # A balance that is read late is stored late: a copy in between would not find it.
            reported[i] = state.balances[todo[i].player_id]
    operations = []
    for i, callback_ in enumerate(todo):
        answer = Answer(chooser.choice(sorted(chosen[i].statuses)), reported[i], "EUR")
        started = moment[i, "effect"] - chooser.choice((0.1, 0.1, 2.1))
        ended = moment[i, "read"] + chooser.choice((0.1, 0.1, 2.1))
        operations.append(Operation(callback_, answer, started, ended))
    return History(start, tuple(operations))


def spoiled(history: History, chooser: Random) -> History:
    """The same with one answer changed or unknown; perhaps still explicable."""
    operations = list(history.operations)
    i = chooser.randrange(len(operations))
    answer = operations[i].answer
    assert answer is not None
    match chooser.randrange(4):
        case 0:
            operations[i] = replace(operations[i], answer=None, ended_s=math.inf)
        case 1:
            status = chooser.choice([Status.SUCCESS, Status.UNKNOWN, Status.DUPLICATE])
            operations[i] = replace(operations[i], answer=replace(answer, status=status))
        case 2:
            operations[i] = replace(operations[i], answer=replace(answer, balance=chooser.choice([0, 40, 65, 100])))
        case _:
            operations[i] = replace(operations[i], answer=replace(answer, balance=None))
    return replace(history, operations=tuple(operations))


def tried(history: History) -> set[frozenset[tuple[str, int]]]:
    """The balances that some order of all effects and reads leads to: every order is tried."""
    operations = history.operations
    reached = set()

    def follow(left: frozenset[tuple[int, str]], state: State, read: dict[int, int], due: frozenset[int]) -> None:
        if not left:
            reached.add(frozenset(state.balances.items()))
        for i, what in left:
            operation = operations[i]
            if any(operations[j].ended_s < operation.started_s for j, _ in left):
                continue
            rest = left - {(i, what)}
            if what == "read":
                here = state.balances[operation.callback.player_id]
                if i not in due or here == operation.balance:
                    follow(rest, state, {**read, i: here}, due)
                continue
            if operation.answer is None:
                follow(rest, state, read, due)
            for after, waits in effects(operation, state, read.get(i)):
                follow(rest, after, read, due | {i} if waits else due)

    follow(
        frozenset((i, what) for i in range(len(operations)) for what in ("effect", "read")),
        history.start,
        {},
        frozenset(),
    )
    return reached


def effects(operation: Operation, state: State, read: int | None) -> Iterator[tuple[State, bool]]:
    """What an operation may lead to, and whether its balance must be read later; `read` is what was read before."""
    balance = operation.balance
    for branch in LEDGER.branches(state, operation.callback):
        still = branch.state.balances == state.balances
        if operation.answer is None:
            yield told(state, branch.state, operation.callback, UNTOLD), False
        elif operation.answer.status not in branch.statuses:
            continue
        elif balance is None or branch.balances is None or balance in branch.balances or (still and read == balance):
            yield branch.state, False
        elif read is None:
            yield told(state, branch.state, operation.callback, balance), True


def found(history: History) -> set[frozenset[tuple[str, int]]]:
    start = Situation(history.start, frozenset(range(len(history.operations))))
    result = search(LEDGER, {start: frozenset()}, history.operations)
    assert result.complete
    return {frozenset(end.state.balances.items()) for end in result.ends}


def compare(chooser: Random, width: int, spoil: bool) -> None:
    history = carried_out(chooser, width)
    if spoil:
        history = spoiled(history, chooser)
    assert found(history) == tried(history)


@UNTRACED
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.integers(1, 2), st.booleans())
def test_it_finds_what_trying_all_orders_of_two_finds(chooser: Random, width: int, spoil: bool) -> None:
    compare(chooser, width, spoil)


@UNTRACED
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.booleans())
def test_it_finds_what_trying_all_orders_of_three_finds(chooser: Random, spoil: bool) -> None:
    compare(chooser, 3, spoil)


@UNTRACED
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.integers(2, 7))
def test_it_explains_what_a_wallet_did(chooser: Random, width: int) -> None:
    assert found(carried_out(chooser, width))


def judged(*operations: Operation, start: State = START, budget: int = 10_000) -> object:
    return search(LEDGER, {Situation(start, frozenset(range(len(operations)))): frozenset()}, operations, budget=budget)


def answered(callback_: Callback, status: Status, balance: int | None, at: tuple[float, float] = (0, 1)) -> Operation:
    return Operation(callback_, Answer(status, balance, "EUR"), *at)


OK = Status.SUCCESS


@pytest.mark.parametrize(
    ("operations", "explained"),
    [
        # Two bets of 60 from 100: only one can be paid.
        ([answered(CALLBACKS[0], OK, 40), answered(CALLBACKS[1], OK, 40)], False),
        ([answered(CALLBACKS[0], OK, 40), answered(CALLBACKS[1], Status.INSUFFICIENT_BALANCE, 40)], True),
        # Copies of one bet: the second sees the first, or its balance.
        ([answered(CALLBACKS[0], OK, 40), answered(CALLBACKS[0], OK, 40)], True),
        ([answered(CALLBACKS[0], OK, 40), answered(CALLBACKS[0], OK, -20)], False),
        # Read after the other bet was debited as well.
        ([answered(CALLBACKS[0], OK, 0), answered(CALLBACKS[2], OK, 0)], True),
        # Both report a balance as if the other had not been: an update is lost.
        ([answered(CALLBACKS[0], OK, 40), answered(CALLBACKS[2], OK, 60)], False),
        # One after the other, so the second must not report the balance before the first.
        ([answered(CALLBACKS[0], OK, 40, (0, 1)), answered(CALLBACKS[10], OK, 100, (2, 3))], False),
        ([answered(CALLBACKS[0], OK, 40, (0, 3)), answered(CALLBACKS[10], OK, 100, (2, 4))], True),
    ],
)
def test_small_histories(operations: list[Operation], explained: bool) -> None:
    assert bool(judged(*operations).ends) is explained


def test_a_lost_bet_may_come_late_or_never() -> None:
    lost = Operation(CALLBACKS[0], None, 0)
    for balance in (100, 40):
        assert judged(lost, answered(CALLBACKS[10], OK, balance, (5, 6))).ends
    assert not judged(lost, answered(CALLBACKS[10], OK, 70, (5, 6))).ends


def test_a_lost_bet_costs_nothing_after_its_rollback() -> None:
    lost = Operation(CALLBACKS[0], None, 0)
    rolled_back = answered(CALLBACKS[6], OK, 100, (1, 2))
    assert judged(lost, rolled_back, answered(CALLBACKS[10], OK, 100, (5, 6))).ends
    assert not judged(lost, rolled_back, answered(CALLBACKS[10], OK, 40, (5, 6))).ends


@pytest.mark.parametrize(("reported", "explained"), [(40, True), (0, False)])
def test_where_a_replay_must_tell_its_original_balance_no_later_one_is_waited_for(
    reported: int, explained: bool
) -> None:
    ledger = Ledger({"ann": "EUR", "bob": "EUR"}, either=replace(Either(), replay_reports_current=False))
    state = START
    for sent in (CALLBACKS[0], CALLBACKS[2]):  # told 40, then 0
        state = next(branch.state for branch in ledger.branches(state, sent) if OK in branch.statuses)
    replay = answered(CALLBACKS[0], OK, reported)
    found = search(ledger, {Situation(state, frozenset({0})): frozenset()}, [replay])
    assert bool(found.ends) is explained


def test_the_order_explains_the_answers() -> None:
    declined = answered(CALLBACKS[1], Status.INSUFFICIENT_BALANCE, 40)
    assert judged(declined, answered(CALLBACKS[0], OK, 40)).order == (1, 0)


def test_a_search_that_is_too_long_says_so() -> None:
    many = [Operation(callback(Kind.BET, f"bet {i}", 1), None, 0) for i in range(10)]
    result = judged(*many, answered(CALLBACKS[10], OK, 55), budget=50)
    assert not result.complete
