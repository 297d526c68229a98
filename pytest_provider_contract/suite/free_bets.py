"""Free bets: no money in, real money out."""

from __future__ import annotations

import pytest

from pytest_provider_contract.ledger import LARGE
from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, win
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


@rule("FREE-02")
def test_an_unknown_reward(contract_check: SuiteCheck) -> None:
    contract_check(scenario(BetPlan(0, reward="unknown"), bet(), balance(), bet(), balance()))


@rule("FREE-01")
def test_a_free_bet(contract_check: SuiteCheck) -> None:
    contract_check(scenario(BetPlan(0, reward="granted"), bet(), balance(), bet(), win()))


@rule("FREE-03")
def test_a_free_bets_win(contract_check: SuiteCheck) -> None:
    free = BetPlan(0, 777, reward="granted")
    contract_check(
        scenario(free, bet(), win(), balance(), win(), win(conflict="amount"), balance()),
        # In one round with others, each settled by its own win.
        scenario([free, BetPlan(400, 30), free], bet(0), bet(1), bet(2), win(0, closed=False), win(1), win(2)),
    )


@rule("FREE-03")
def test_a_free_bets_win_above_32_bits(contract_check: SuiteCheck) -> None:
    """What is won is lost again, so that the money ends as it was."""
    if not contract_check.run.funds().allow_large:
        contract_check.not_tested("large stakes are limited by --operator-max-stake or by the operator")
    won = 2 * LARGE + 3004  # above 32 bits with a sign and without
    bets = [BetPlan(0, won, reward="granted"), BetPlan(won)]
    contract_check(scenario(bets, bet(0), win(0, focus=True), bet(1), win(1)), exact_amounts=True)


@rule("FREE-04")
def test_a_free_bets_rollback(contract_check: SuiteCheck) -> None:
    free = BetPlan(0, reward="granted")
    contract_check(
        scenario(free, bet(), rollback(), balance(), rollback(0, 1)),
        scenario(free, rollback(), bet(focus=True), balance(), rollback(0, 1)),
        # The other bets of its round stand.
        scenario([free, BetPlan(400, 30)], bet(0), bet(1), rollback(0, closed=False, focus=True), win(1)),
    )
