"""Order of delivery: callbacks overtake each other."""

from __future__ import annotations

import pytest

from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, win
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


@rule("ORDER-01", "ORDER-02")
def test_a_win_before_its_bet(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(700, 1500), win(closed=False), balance(), bet(), balance(), win(closed=False), balance()),
        # None of these wins closes the round: a wallet may decline the bet that follows in a closed one.
        scenario(BetPlan(700, 1500), win(closed=False), bet(), win(closed=False), win(closed=False)),
        scenario(BetPlan(700, 0), win(closed=False), bet(), win(closed=False)),
        scenario(BetPlan(700, 1500), win(closed=False), win(closed=False), bet(), win(closed=False)),
        # It is no win of the bet that its round holds already.
        scenario(
            [BetPlan(300, 40), BetPlan(700, 1500)],
            *(bet(0), win(1, closed=False, focus=True), bet(1), win(1, closed=False), win(0)),
        ),
    )


@rule("ORDER-03")
def test_rounds_interleave(contract_check: SuiteCheck) -> None:
    bets = [BetPlan(101, 303), BetPlan(211, 55, round=1), BetPlan(307, 0), BetPlan(401, 77, round=1)]
    plan = scenario(
        bets,
        bet(0),
        bet(1),
        bet(2),
        win(1, closed=False, focus=True),
        bet(3),
        bet(3),
        rollback(2, focus=True),
        win(0, focus=True),
        rollback(2, 1),
        win(3, focus=True),
        win(1),
        win(0),
        rule="ORDER-03",
        via="WIN-01",
    )
    contract_check(plan)
