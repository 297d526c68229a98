"""Balance: the money as it is now."""

from __future__ import annotations

import pytest

from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, win
from pytest_provider_contract.suite_check import SuiteCheck

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
