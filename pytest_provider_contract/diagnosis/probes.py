"""Further scenarios to send when several flaws explain what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_provider_contract.callbacks import Spelling
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import BetPlan, Scenario, Step, balance, bet, rollback, scenario, win
from pytest_provider_contract.signing import Forgery

_PLANS = (BetPlan(1037, 713), BetPlan(409, 1151), BetPlan(2311, 29), BetPlan(677, 311, round=1))
_DECLINED = BetPlan(37, 11, of_balance=True)

MONEY: tuple[Scenario, ...] = (
    scenario(
        _PLANS,
        balance(),
        balance(),
        bet(0),
        bet(0),
        balance(),
        rollback(0),
        rollback(0),
        balance(),
        rollback(0, 1),
        rollback(0, 2),
    ),
    scenario(_PLANS, bet(0), bet(1), bet(2), bet(3), rollback(1), rollback(0), rollback(3), rollback(2)),
    scenario(_PLANS, bet(0), bet(1), bet(3), win(0, closed=False), win(0, closed=False), win(1), win(3), win(0)),
    scenario(_PLANS, bet(0), bet(2), bet(1), win(1, closed=False), rollback(2, closed=False), win(0), rollback(2, 1)),
    scenario(_PLANS, bet(0), rollback(1), balance(), bet(1), bet(1), rollback(1, 1), balance(), rollback(0)),
    scenario(_PLANS, bet(3), win(0), balance(), bet(0), win(0), balance(), win(0), rollback(3)),
    scenario((_DECLINED, BetPlan(19, 5)), bet(0), balance(), bet(1), bet(0), rollback(0), balance(), rollback(1)),
    scenario(_PLANS, bet(0), win(0), bet(0), balance(), win(0), bet(1), rollback(1), bet(1), rollback(1, 1)),
    scenario(_PLANS, bet(0), bet(0, conflict="amount"), balance(), win(0), win(0, conflict="amount"), balance()),
    scenario(
        (BetPlan(1000, 10), BetPlan(1000, 10), BetPlan(1000, 10, round=1)),
        bet(0),
        bet(1),
        bet(2),
        balance(),
        win(1, closed=False),
        win(0),
        win(2),
        balance(),
    ),
    scenario((BetPlan(0, 0), BetPlan(58, 0), BetPlan(129, 1)), bet(0), balance(), bet(1), win(1), bet(2), win(2)),
    scenario(_PLANS, bet(0), bet(1), win(1), win(0), bet(2), bet(3), win(3), rollback(2)),
    scenario(
        _PLANS,
        bet(0),
        bet(1),
        bet(2),
        win(0, closed=False),
        rollback(1, closed=False),
        win(0, closed=False),
        win(2),
        rollback(1, 1),
    ),
    scenario(_PLANS, bet(0), rollback(0, closed=False), bet(1), bet(2), win(1, closed=False), win(2)),
    # The first win closes the round, and the others overtake it.
    scenario(_PLANS, bet(0), bet(1), bet(2), win(1), win(0), rollback(2)),
    scenario((BetPlan(700, 450), BetPlan(33)), bet(0), win(0), rollback(0), rollback(0, 1), bet(1), rollback(1)),
)

# For what depends on time only: everything else can be told without waiting.
PATIENT: tuple[Scenario, ...] = (
    scenario(BetPlan(71, 7), bet(), bet(wait_ms=1_200), balance(), win(), win(wait_ms=1_200), rollback()),
)

# A wallet that does not give it back answers little more.
LAST: tuple[Scenario, ...] = (
    scenario((BetPlan(0, of_balance=True), BetPlan(0, of_balance=True)), bet(0), balance(), bet(0), rollback(0)),
)

LARGE: tuple[Scenario, ...] = (
    scenario(BetPlan((1 << 31) + 7), bet(), rollback()),
    # What is left of it in 32 bits is a small amount.
    scenario(BetPlan((1 << 32) + 7), bet(), rollback()),
)

TWO_PLAYERS: tuple[Scenario, ...] = (
    scenario(
        (BetPlan(601, 90), BetPlan(607, 31, player=1)),
        bet(0),
        bet(1),
        win(0),
        balance(1),
        rollback(1),
        balance(0),
    ),
    scenario((BetPlan(601), BetPlan(607, player=1)), bet(1), rollback(1, player=0), balance(1), bet(0), rollback(0)),
)


def _signatures() -> Iterator[Scenario]:
    plan = BetPlan(523, 127)
    for forgery in Forgery:
        yield scenario(plan, balance(forgery=forgery), balance())
        yield scenario(plan, bet(forgery=forgery), balance())
        yield scenario(plan, bet(), win(forgery=forgery), balance())
        yield scenario(plan, bet(), rollback(forgery=forgery), balance())


def _spelled() -> Iterator[Scenario]:
    for spelling in Spelling:
        yield scenario((), Step(Kind.BALANCE, player=0, spelling=spelling), balance())
    for case in ("lower", "upper"):
        yield scenario((), replace(balance(), header_case=case), balance())


SIGNATURES: tuple[Scenario, ...] = tuple(_signatures())
SPELLINGS: tuple[Scenario, ...] = tuple(_spelled())
