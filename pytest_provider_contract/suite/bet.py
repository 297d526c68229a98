"""Bet: exactly the amount, once, or declined."""

from __future__ import annotations

import pytest

from pytest_provider_contract.scenario import BetPlan, Damage, balance, bet, rollback, scenario, win
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


# The last one is 100 in other digits than ASCII's.
AMOUNTS = ("-1", "-1000", "1.5", "0.1", '"100"', '"-5"', '"1e2"', '"\\u0661\\u0660\\u0660"')


@rule("BET-01")
def test_a_bet_debits_its_amount(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(1037), bet(), balance(), rollback()),
        scenario(BetPlan(1), bet(), win()),
        scenario([BetPlan(1237), BetPlan(811, round=1)], bet(0), bet(1), balance(), win(0), win(1)),
    )


@rule("BET-02")
def test_all_the_money(contract_check: SuiteCheck) -> None:
    if contract_check.run.funds().stake_limited:
        contract_check.not_tested("the largest stake is below the player's balance")
    contract_check(
        scenario(BetPlan(0, of_balance=True), bet(), balance(), rollback()),
        # Who has nothing left can win all the same.
        scenario(
            [BetPlan(90, 70), BetPlan(0, of_balance=True)],
            *(bet(0), bet(1), win(0, closed=False), rollback(1), balance()),
        ),
    )


@rule("BET-03")
def test_more_than_all_the_money(contract_check: SuiteCheck) -> None:
    if contract_check.run.funds().stake_limited:
        contract_check.not_tested("the largest stake is below the player's balance")
    contract_check(
        scenario(BetPlan(1, of_balance=True), bet(), balance()),
        scenario(BetPlan(1_000_000, of_balance=True), bet()),
        scenario([BetPlan(0, of_balance=True), BetPlan(1)], bet(0), bet(1), rollback(0)),
    )


@rule("BET-04")
@pytest.mark.parametrize("amount", AMOUNTS)
def test_an_amount_that_is_none(contract_check: SuiteCheck, amount: str) -> None:
    contract_check(scenario(BetPlan(100), bet(damage=Damage("BET-04", "amount", amount))))


@rule("BET-05")
def test_another_currency(contract_check: SuiteCheck) -> None:
    own = contract_check.run.currency()
    other = '"JPY"' if own != "JPY" else '"EUR"'
    damage = Damage("BET-05", "currency", other)
    contract_check(
        scenario(BetPlan(100), bet(damage=damage), balance(), bet(damage=damage), balance()),
        # Some that a wallet may not have heard of; the last is nobody's.
        *(
            scenario(BetPlan(100), bet(damage=Damage("BET-05", "currency", f'"{code}"')))
            for code in ("NOK", "KZT", "XTS")
            if code != own
        ),
    )


@rule("BET-06")
def test_an_amount_of_0(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(0), bet(), balance()),
        scenario(BetPlan(0), bet(), rollback(), rollback(0, 1)),
        scenario(BetPlan(0, 40), bet(), win()),
        scenario(BetPlan(0), bet(), bet(conflict="amount", focus=True), balance(), rollback()),
    )


@rule("BET-07")
def test_bets_that_are_alike(contract_check: SuiteCheck) -> None:
    alike = BetPlan(307)
    plan = scenario(
        [alike, alike, alike],
        bet(0),
        bet(1, focus=True),
        bet(2, focus=True),
        balance(),
        via="BET-01",
        rule="BET-07",
    )
    contract_check(plan, scenario([alike, alike, alike], bet(0), bet(1), bet(2), rollback(1), win(0), rollback(2)))


@rule("BET-07")
@pytest.mark.parametrize("before", ["won", "rolled back", "declined"])
def test_a_round_goes_on(contract_check: SuiteCheck, before: str) -> None:
    """What became of a bet says nothing about the next one of its round, as long as the round is open."""
    first = BetPlan(1, of_balance=True) if before == "declined" else BetPlan(211, 90)
    end = {"won": [win(0, closed=False)], "rolled back": [rollback(0, closed=False)], "declined": []}[before]
    plan = scenario(
        [first, BetPlan(307, 40)], bet(0), *end, bet(1, focus=True), win(1), balance(), via="BET-01", rule="BET-07"
    )
    contract_check(plan)


@rule("BET-08")
def test_a_declined_bet_is_sent_again(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(1, of_balance=True), bet(), bet(), balance()),
        scenario(
            [BetPlan(1, of_balance=True), BetPlan(10, 20)], bet(0), bet(1), win(1), bet(0, focus=True), rollback(0)
        ),
    )
