"""Bets that an operator declines now and then, for reasons of its own, keep no rule from being tested."""

from __future__ import annotations

from pathlib import Path

import pytest
from honest_wallets import ERROR, Habits, Wallet
from memory_wire import run_at

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.finding import ContractViolation
from pytest_provider_contract.profile import Status
from pytest_provider_contract.scenario import BetPlan, Scenario, balance, bet, rollback, scenario, together
from pytest_provider_contract.transport import Fault

THREE = [BetPlan(101), BetPlan(1009), BetPlan(307)]


PLANS = {
    "alone": scenario(BetPlan(1037), bet(), rollback(), balance(), rule="ROLLBACK-01"),
    "two bets": scenario(THREE[:2], bet(0), bet(1), rollback(0), rollback(1), rule="ROLLBACK-01"),
    "three bets": scenario(THREE, bet(0), bet(1), bet(2), rollback(0), rollback(2), rollback(1), rule="ROLLBACK-01"),
    "with what can't be tested": scenario(THREE, bet(0), bet(1), bet(2), rollback(1), rollback(2), rule="BET-07"),
    "raced": scenario(BetPlan(600), *together(bet(), bet(), bet()), rollback(), rule="RACE-01"),
    "written slowly": scenario(BetPlan(600), bet(fault=Fault.SLOW_WRITE), bet(), rollback(), rule="LOST-07"),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("every", [2, 3, 10])
@pytest.mark.parametrize("asked", range(3))
def test_an_operator_that_declines_every_so_many_bets(plan: Scenario, every: int, asked: int, tmp_path: Path) -> None:
    wallet = Wallet(Habits(declines_every=every), {"alice": 10**10, "bob": 10**10}, asked=asked)
    run = run_at(wallet, tmp_path)
    run.expect(plan)
    assert run.results.not_tested == {}


@pytest.mark.parametrize("asked", range(3))
def test_an_operator_whose_limit_is_met_now_and_then(asked: int, tmp_path: Path) -> None:
    habits = Habits(declines_every=3, declines_with=Status.BET_LIMIT)
    run = run_at(Wallet(habits, {"alice": 10**10, "bob": 10**10}, asked=asked), tmp_path)
    for plan in PLANS.values():
        run.expect(plan)
    # A scenario of three bets always meets it; the other two of the rule's scenarios do not.
    assert run.results.not_tested.keys() <= {"BET-07"}


class DeclinesTheSecond(Wallet):
    """Takes one bet of a round, as a wallet does that keeps bets by their round."""

    def refusal(self, c: Callback, amount: int) -> Status | None:
        others = [kept for id_, kept in self.bets.items() if id_ != c.transaction_id]
        return ERROR if any(kept.content[2] == c.round_id for kept in others) else super().refusal(c, amount)


@pytest.mark.parametrize("every", [None, 10])
@pytest.mark.parametrize("name", ["two bets", "three bets", "with what can't be tested"])
def test_a_bet_that_is_declined_every_time_is_told(name: str, every: int | None, tmp_path: Path) -> None:
    wallet = DeclinesTheSecond(Habits(declines_every=every), {"alice": 10**10, "bob": 10**10})
    with pytest.raises(ContractViolation, match=PLANS[name].rule or "none"):
        run_at(wallet, tmp_path).expect(PLANS[name])


def test_a_bet_that_is_declined_because_its_rollback_came_first(tmp_path: Path) -> None:
    habits = Habits(unknown_rollback="refuse", shuns=True)
    run = run_at(Wallet(habits, {"alice": 10**10, "bob": 10**10}), tmp_path)
    run.expect(scenario(BetPlan(900), rollback(), bet(), balance(), rollback(0, 1), bet(), rule="ROLLBACK-05"))
    run.expect(scenario(BetPlan(600), *together(rollback(), rollback(0, 1)), bet(), balance(), rule="RACE-03"))
    assert run.results.exercised["ROLLBACK-05"] == 2
    assert run.results.not_tested == {}


@pytest.mark.parametrize("arrival", range(8))
def test_a_race_that_is_lost_to_a_refused_rollback(arrival: int, tmp_path: Path) -> None:
    """The rollback may have come first, and its bet be declined for it, each time."""
    habits = Habits(unknown_rollback="refuse", shuns=True, declined_rollback="refuse")
    run = run_at(Wallet(habits, {"alice": 10**10, "bob": 10**10}), tmp_path, arrival)
    group = together(*(rollback(0, attempt) for attempt in range(6)), bet())
    run.expect(scenario(BetPlan(900), *group, balance(), rollback(0, 50, focus=True), balance(), rule="RACE-06"))


@pytest.mark.parametrize("every", [5, 10])
def test_many_bets_of_which_some_are_always_declined_put_their_rule_to_the_test(every: int, tmp_path: Path) -> None:
    bets = [BetPlan(amount) for amount in range(1, 14)]
    steps = [step for i in range(len(bets)) for step in (bet(i, focus=True), rollback(i))]
    run = run_at(Wallet(Habits(declines_every=every), {"alice": 10**10, "bob": 10**10}), tmp_path)
    run.expect(scenario(bets, *steps, rule="AMOUNT-02", via="BET-01"))
    assert run.results.exercised["AMOUNT-02"]
    assert run.results.not_tested == {}


def test_what_a_balance_is_told_as_is_no_reason_to_decline_a_bet(tmp_path: Path) -> None:
    class Declines(Wallet):
        def refusal(self, c: Callback, amount: int) -> Status | None:
            return ERROR if amount > 5_000 else super().refusal(c, amount)

    # Near 2**32 a balance might have wrapped around, near 10**8 be told in major units.
    wallet = Declines(Habits(), {"alice": 10**8, "bob": 10**8})
    plan = scenario(BetPlan(0, of_balance=True), bet(focus=True), balance(), rollback(), rule="BET-02")
    with pytest.raises(ContractViolation) as told:
        run_at(wallet, tmp_path).expect(plan)
    finding = told.value.finding
    assert finding.actual.startswith("the bet is declined with UNKNOWN_ERROR in 5 of 5 tries")
    assert "BET_LIMIT_REACHED_ERROR for a limit of the operator's own" in finding.expected
    assert not any("balance of a reply" in cause.text for cause in finding.causes)
