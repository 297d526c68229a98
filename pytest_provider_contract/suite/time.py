"""Time: a bet is answered before the provider gives up."""

from __future__ import annotations

import pytest

from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, win
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


@rule("TIME-01")
def test_a_bet_in_time(contract_check: SuiteCheck) -> None:
    contract_check(scenario([BetPlan(30), BetPlan(40, round=1)], bet(0), rollback(0), bet(1), rollback(1)))


@rule("TIME-02")
def test_percentiles(contract_check: SuiteCheck) -> None:
    """Judged over the whole run; here only that there is something to judge."""
    if not contract_check.run.client.recorder.sent:
        contract_check(scenario(BetPlan(30), balance(), bet(), win(), win()))
