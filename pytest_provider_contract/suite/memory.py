"""Memory: what was done stays done, however much later it is asked for again. The last chapter."""

from __future__ import annotations

import pytest

from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, win
from pytest_provider_contract.suite.crowds import remembered
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule

FEW = 5
# Other tests have left one of each long ago, unless this one runs alone.
BEGUN = {
    "settled": scenario(BetPlan(100, 90), bet(), win()),
    "refunded": scenario(BetPlan(100), bet(), rollback()),
    "awaited": scenario(BetPlan(100), rollback()),
    "tombstoned": scenario(BetPlan(100), rollback(), bet(), rollback(0, 1)),
    "declined": scenario(BetPlan(1, of_balance=True), bet()),
}


@rule("BALANCE-03")
def test_money_rests_between_callbacks(contract_check: SuiteCheck) -> None:
    # The player who has been idle longest need not be waited for.
    player, idle_ms = contract_check.run.idle_longest()
    wait_ms = max(0, 1_100 - idle_ms)
    contract_check(scenario([], balance(player, wait_ms=wait_ms, focus=True), rule="BALANCE-03", via="BALANCE-01"))


@rule("IDEM-09")
def test_old_transactions(contract_check: SuiteCheck) -> None:
    if contract_check.run.pace.out_of_time():
        pytest.skip(f"not tested: {contract_check.run.results.slow}")
    contract_check.run.recall_all(BEGUN)


@rule("IDEM-08")
def test_a_replay_after_a_few_others(contract_check: SuiteCheck) -> None:
    """What slow operators are asked instead of hundreds of callbacks for this alone."""
    if contract_check.run.results.exercised["IDEM-08"]:
        pytest.skip("IDEM-08 was tested already")
    contract_check(remembered(FEW))
