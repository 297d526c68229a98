"""Amounts: every minor unit, up to 64 bits."""

from __future__ import annotations

import pytest

from pytest_provider_contract.ledger import HUGE, LARGE, MAX_AMOUNT
from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, win
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


AWKWARD = (1, 3, 7, 29, 57, 58, 113, 115, 333, 1001, 1005, 2675, 4035)


@rule("AMOUNT-02")
def test_every_minor_unit(contract_check: SuiteCheck) -> None:
    amounts = AWKWARD if contract_check.run.pace.affords(4 * len(AWKWARD)) else AWKWARD[:6]
    bets = [BetPlan(amount, amount + 1) for amount in amounts]
    steps = [step for i in range(len(bets)) for step in (bet(i, focus=True), win(i) if i % 2 else rollback(i))]
    contract_check(scenario(bets, *steps, rule="AMOUNT-02", via="BET-01"))


@rule("AMOUNT-04")
def test_the_largest_amount(contract_check: SuiteCheck) -> None:
    if contract_check.run.funds().stake_limited:
        contract_check.not_tested("the largest stake is below the player's balance")
    contract_check(scenario(BetPlan(MAX_AMOUNT), bet(), balance()), exact_amounts=True)


@rule("AMOUNT-01")
def test_above_32_bits(contract_check: SuiteCheck) -> None:
    beyond(contract_check, LARGE)


@rule("AMOUNT-03")
def test_above_what_doubles_hold(contract_check: SuiteCheck) -> None:
    beyond(contract_check, HUGE)


def beyond(contract_check: SuiteCheck, bound: int) -> None:
    """Win more than a bound, then bet it all back in odd parts: the money ends as it was."""
    if not contract_check.run.funds().allow_large:
        contract_check.not_tested("large stakes are limited by --operator-max-stake or by the operator")
    plan = scenario(
        # Small ones stay above an operator's least stake.
        [BetPlan(1001, bound + 3004), BetPlan(bound + 1), *[BetPlan(1001)] * 3, BetPlan(bound + 1)],
        # In focus from the start: a second try may begin with what the first has won.
        bet(0, focus=True),
        win(0),
        # One of two neighbouring balances is odd, and doubles that large are even.
        bet(2),
        bet(3),
        bet(4),
        rollback(4),
        bet(1, focus=True),
        rollback(1),
        bet(5),
        win(5),
        win(2),
        win(3),
    )
    contract_check(plan, exact_amounts=True)
