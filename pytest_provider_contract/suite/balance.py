"""Balance: the money as it is now."""

from __future__ import annotations

import pytest

from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, win
from pytest_provider_contract.session import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


@rule("BALANCE-01", "BALANCE-04")
def test_balance_changes_nothing(contract_check: SuiteCheck) -> None:
    contract_check(scenario([], balance(), balance(), balance()))


@rule("BALANCE-02")
def test_balance_follows_every_movement(contract_check: SuiteCheck) -> None:
    plan = scenario(
        [BetPlan(1009, 499), BetPlan(211, round=1)],
        balance(),
        bet(0),
        balance(focus=True),
        win(0),
        balance(),
        bet(1),
        balance(),
        rollback(1),
        balance(),
        via="BALANCE-01",
        rule="BALANCE-02",
    )
    contract_check(plan)


@rule("BALANCE-03")
def test_money_rests_between_callbacks(contract_check: SuiteCheck) -> None:
    plan = scenario(
        [BetPlan(353, 101), BetPlan(97, round=1)],
        bet(0),
        win(0),
        bet(1),
        rollback(1),
        balance(),
        balance(wait_ms=500, focus=True),
        via="BALANCE-01",
        rule="BALANCE-03",
    )
    contract_check(plan)
