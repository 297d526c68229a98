"""What shows with dozens or hundreds of bets only. Late, because that takes long and few wallets fail at it."""

from __future__ import annotations

import pytest

from pytest_provider_contract.scenario import (
    BetPlan,
    Scenario,
    bet,
    each_of_many,
    rollback,
    scenario,
    win,
)
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule

# How many other bets lie in between: as many as the operator is quick enough for.
OTHERS = (300, 120)


@rule("IDEM-01")
def test_each_of_many_bets_replayed(contract_check: SuiteCheck) -> None:
    contract_check(each_of_many(lambda i: (bet(i), bet(i), rollback(i)), focus=1))


@rule("IDEM-02")
def test_each_of_many_wins_replayed(contract_check: SuiteCheck) -> None:
    contract_check(each_of_many(lambda i: (bet(i), win(i), win(i)), focus=2))


@rule("IDEM-08")
def test_a_replay_after_many_others(contract_check: SuiteCheck) -> None:
    others = next((n for n in OTHERS if contract_check.run.pace.affords(2 * n, share=0.1)), 0)
    if not others:
        pytest.skip("the operator is too slow for so many callbacks; see memory.py::test_a_replay_after_a_few_others")
    contract_check(remembered(others))


def remembered(others: int) -> Scenario:
    """A settled and a refunded bet and one rolled back before it comes, other business, then all of them again.

    Two bets are left open meanwhile: a stuck round is settled long after its bet.
    """
    between = [
        step for index in range(2, others + 2) for step in (bet(index), win(index) if index % 2 else rollback(index))
    ]
    late = others + 2
    to_win, to_refund = late + 1, late + 2
    return scenario(
        [
            *(BetPlan(100, 90), BetPlan(80)),
            *(BetPlan(1, 1) for _ in range(others)),
            *(BetPlan(70), BetPlan(60, 50, round=1), BetPlan(40, round=2)),
        ],
        bet(to_win),
        bet(to_refund),
        bet(0),
        win(0),
        bet(1),
        rollback(1),
        rollback(late),
        *between,
        # A bet is no replay: that it costs nothing, or can be rolled back, is not this rule's matter.
        bet(late),
        rollback(late, 1),
        win(to_win),
        rollback(to_refund),
        win(0, focus=True),
        bet(0),
        rollback(1, 1),
        rollback(1),
        bet(1),
        rule="IDEM-08",
        via="IDEM-02",
    )
