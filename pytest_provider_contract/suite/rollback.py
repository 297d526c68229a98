"""Rollback: the referenced bet's own amount, once."""

from __future__ import annotations

import pytest

from pytest_provider_contract.scenario import BetPlan, Damage, balance, bet, each_of_many, rollback, scenario, win
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


@rule("ROLLBACK-01")
def test_a_rollback_refunds_its_bet(contract_check: SuiteCheck) -> None:
    several = [BetPlan(101), BetPlan(1009), BetPlan(307)]
    contract_check(
        scenario(BetPlan(1037), bet(), rollback(), balance()),
        scenario(several, bet(0), bet(1), bet(2), rollback(0), rollback(2), rollback(1)),
        scenario([BetPlan(101, 50), BetPlan(1009)], bet(0), bet(1), win(0, closed=False), rollback(1)),
        scenario([BetPlan(811), BetPlan(97, round=1)], bet(0), bet(1), rollback(0), rollback(1)),
    )


@rule("ROLLBACK-02")
def test_the_same_transaction_id_again(contract_check: SuiteCheck) -> None:
    contract_check(scenario(BetPlan(1000), bet(), rollback(), rollback(), balance(), rollback()))


@rule("ROLLBACK-03")
def test_a_new_transaction_id(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(1000), bet(), rollback(), rollback(0, 1)),
        scenario(
            [BetPlan(1000), BetPlan(300)], bet(0), rollback(0), bet(1), rollback(0, 1), rollback(1), rollback(0, 2)
        ),
        each_of_many(lambda i: (bet(i), rollback(i), rollback(i, 1)), focus=2),
    )


@rule("ROLLBACK-04")
def test_an_unknown_bet(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(600), rollback(), balance()),
        scenario([BetPlan(700), BetPlan(600)], bet(0), rollback(1, focus=True), balance(), rollback(0)),
        # It says nothing of the other bets of its round.
        scenario([BetPlan(700), BetPlan(600)], rollback(0, closed=False, focus=True), bet(1), rollback(1), rollback(0)),
        scenario([BetPlan(700, 50), BetPlan(600)], bet(0), rollback(1, focus=True), win(0)),
    )


@rule("ROLLBACK-05", "ROLLBACK-06")
def test_a_rollback_before_its_bet(contract_check: SuiteCheck) -> None:
    """The one rule or the other, by how the operator answers the first rollback."""
    contract_check(
        scenario(BetPlan(900), rollback(), bet(), balance(), rollback(0, 1), balance(), bet()),
        # However often it is sent, with no rollback in between.
        scenario(BetPlan(900), rollback(), bet(), bet(), balance()),
        scenario(BetPlan(900), rollback(), rollback(0, 1), bet(), rollback(0, 2)),
        scenario(BetPlan(900), rollback(closed=False), bet(), rollback(0, 1, closed=False), rollback(0, 2)),
        # Each of a round's bets has its own.
        scenario(
            [BetPlan(900), BetPlan(300)], rollback(0), rollback(1), bet(0), bet(1), rollback(1, 1), rollback(0, 1)
        ),
    )


@rule("ROLLBACK-07")
def test_a_declined_bet(contract_check: SuiteCheck) -> None:
    other = '"JPY"' if contract_check.run.currency() != "JPY" else '"EUR"'
    amounts = (Damage("BET-04", "amount", json) for json in ("-700", "70.5"))
    wrong = (Damage("BET-05", "currency", other), *amounts)
    contract_check(
        scenario(BetPlan(1, of_balance=True), bet(), rollback(), balance(), rollback(0, 1)),
        # Whatever it was declined for.
        *(scenario(BetPlan(700), bet(damage=damage), rollback(), balance()) for damage in wrong),
    )


@rule("ROLLBACK-08")
@pytest.mark.parametrize("closed", [True, False])
def test_round_closed_makes_no_difference(contract_check: SuiteCheck, closed: bool) -> None:
    contract_check(
        scenario(BetPlan(808), bet(), rollback(closed=closed), balance(), rule="ROLLBACK-08", via="ROLLBACK-01"),
        scenario(BetPlan(808), bet(), rollback(closed=closed), rollback(0, 1, closed=not closed)),
    )


@rule("ROLLBACK-11", "ROLLBACK-09")
def test_a_settled_bet(contract_check: SuiteCheck) -> None:
    refused = rollback(focus=True)
    contract_check(
        scenario(BetPlan(400, 150), bet(), win(), refused, balance(), rollback(0, 1), balance(), rule="ROLLBACK-11"),
        scenario(BetPlan(400, 0), bet(), win(), refused, rollback(0, 1), rule="ROLLBACK-11"),
        # A replay of the bet does not open it again.
        scenario(BetPlan(400, 150), bet(), win(), bet(), refused, balance(), rule="ROLLBACK-11"),
    )


@rule("ROLLBACK-10")
def test_a_transaction_that_is_no_bet(contract_check: SuiteCheck) -> None:
    contract_check(scenario(BetPlan(200, 900), bet(), win(), rollback(of_win=True), balance()))
