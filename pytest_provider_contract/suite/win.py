"""Win: exactly the amount, once, to its own bet."""

from __future__ import annotations

import pytest

from pytest_provider_contract.scenario import BetPlan, Damage, balance, bet, rollback, scenario, win
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


@rule("WIN-01")
def test_a_win_credits_its_amount(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(1037, 2311), bet(), win(), balance()),
        scenario(BetPlan(2003, 1), bet(), win()),
        scenario(BetPlan(503, 503), bet(), win()),
        scenario(BetPlan(11, 99_991), bet(), win()),
    )


@rule("WIN-02")
def test_a_win_of_0_settles(contract_check: SuiteCheck) -> None:
    contract_check(scenario(BetPlan(419), bet(), win(), win(), balance()))
    if not contract_check.run.funds().stake_limited:
        # The last of the money is lost; most of it waits in another bet, and comes back.
        rest = min(1_000, max(contract_check.run.funds().balance // 4, 1))
        bets = [BetPlan(-rest, of_balance=True), BetPlan(0, of_balance=True)]
        lost = win(1, closed=False, focus=True)
        contract_check(scenario(bets, bet(0), bet(1), lost, balance(), lost, rollback(0), rule="WIN-02"))


@rule("WIN-07")
@pytest.mark.parametrize("closed", [True, False])
def test_round_closed_makes_no_difference(contract_check: SuiteCheck, closed: bool) -> None:
    contract_check(
        scenario(BetPlan(200, 450), bet(), win(closed=closed), balance(), rule="WIN-07", via="WIN-01"),
        scenario(BetPlan(200, 450), bet(), win(closed=closed), win(closed=closed)),
    )


@rule("WIN-03")
def test_wins_of_one_round_in_any_order(contract_check: SuiteCheck) -> None:
    bets = [BetPlan(101, 211), BetPlan(203, 0), BetPlan(307, 1009)]
    sent = (bet(0), bet(1), bet(2))
    orders = ((2, 0, 1), (1, 2, 0), (0, 1, 2))
    contract_check(
        *(
            scenario(
                bets,
                *sent,
                *(win(index, closed=last == 2, focus=True) for last, index in enumerate(order)),
                rule="WIN-03",
                via="WIN-01 WIN-02",
            )
            for order in orders
        ),
        scenario([BetPlan(101, 60), BetPlan(103, 60)], bet(0), bet(1), win(0), win(1), rule="WIN-03", via="WIN-01"),
        # The callback that closes the round may overtake the others.
        scenario(
            bets,
            *sent,
            *(win(2), win(0, focus=True), rollback(1, focus=True)),
            rule="WIN-03",
            via="WIN-01 WIN-02",
        ),
    )


@rule("WIN-05", "WIN-04")
@pytest.mark.parametrize("fate", ["rolled back", "declined", "rolled back before it came"])
def test_a_win_of_a_bet_that_is_no_more(contract_check: SuiteCheck, fate: str) -> None:
    if fate == "declined":
        contract_check(scenario(BetPlan(1, 300, of_balance=True), bet(), win(), balance(), win()))
    elif fate == "rolled back before it came":
        contract_check(
            scenario(BetPlan(500, 300), rollback(), bet(), win(), balance(), win()),
            scenario(BetPlan(500, 300), rollback(), win(), balance()),
        )
    else:
        contract_check(scenario(BetPlan(500, 300), bet(), rollback(), win(), balance(), win()))


@rule("WIN-06")
@pytest.mark.parametrize("amount", ["-1", "-700", "10.5", "0.01"])
def test_an_amount_that_is_none(contract_check: SuiteCheck, amount: str) -> None:
    contract_check(scenario(BetPlan(100), bet(), win(damage=Damage("WIN-06", "amount", amount), focus=True), balance()))
