"""Idempotency and conflicts: a transactionId counts once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_provider_contract.scenario import (
    BetPlan,
    Conflict,
    Damage,
    balance,
    bet,
    rollback,
    scenario,
    win,
)
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


@rule("IDEM-01")
def test_a_bet_replayed(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(1000), bet(), bet(), balance(), bet(), rollback()),
        scenario([BetPlan(1000), BetPlan(70)], bet(0), bet(1), bet(0, focus=True), rollback(0), rollback(1)),
        # The round is closed, and this bet still open.
        scenario([BetPlan(1000, 700), BetPlan(70)], bet(0), bet(1), win(0), bet(1, focus=True), rollback(1)),
    )
    if not contract_check.run.funds().stake_limited:
        # What is left would not pay for it once more.
        contract_check(scenario(BetPlan(0, of_balance=True), bet(), bet(focus=True), balance(), rollback()))


@rule("IDEM-02")
def test_a_win_replayed(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(1000, 700), bet(), win(), win(), balance(), win()),
        scenario([BetPlan(1000, 700), BetPlan(60, 9)], bet(0), bet(1), win(0), win(1), win(0, focus=True), win(1)),
    )
    if not contract_check.run.funds().stake_limited:
        # Nor does it take money to have won.
        bets = [BetPlan(90, 70), BetPlan(0, of_balance=True)]
        won = win(0, closed=False)
        contract_check(scenario(bets, bet(0), won, bet(1), replace(won, focus=True), rollback(1)))


@rule("IDEM-01", "IDEM-02")
def test_a_replay_of_another_session(contract_check: SuiteCheck) -> None:
    # A wallet may refuse a session that it does not know. Money it may move in neither case.
    def elsewhere(rule: str) -> Damage:
        return Damage(rule, "clientSessionId", '"session-that-is-another"')

    contract_check(
        scenario(BetPlan(830), bet(), bet(damage=elsewhere("IDEM-01")), balance(), rollback(), balance()),
        scenario(BetPlan(830, 410), bet(), win(), win(damage=elsewhere("IDEM-02")), balance()),
        scenario(BetPlan(830), bet(), rollback(), rollback(0, 1, damage=elsewhere("ROLLBACK-03")), balance()),
    )


@rule("IDEM-03", "IDEM-05")
@pytest.mark.parametrize("content", ["amount", "round", "game", "lower amount"])
def test_a_bet_with_other_content(contract_check: SuiteCheck, content: Conflict) -> None:
    skip_without_another_game(contract_check, content)
    contract_check(
        scenario(BetPlan(500), bet(), bet(conflict=content), balance(), bet(), rollback(), rollback(0, 1)),
        scenario(BetPlan(500, 40), bet(), win(), bet(conflict=content), balance()),
        # Nor does it change what is known of the bet.
        scenario(BetPlan(500, 40), bet(), bet(conflict=content, focus=True), win(), balance()),
        scenario(BetPlan(500), bet(), rollback(), bet(conflict=content), balance(), rollback(0, 1), balance()),
    )


@rule("IDEM-04", "IDEM-05")
@pytest.mark.parametrize("content", ["amount", "round", "game", "bet", "lower amount"])
def test_a_win_with_other_content(contract_check: SuiteCheck, content: Conflict) -> None:
    skip_without_another_game(contract_check, content)
    contract_check(
        scenario(BetPlan(500, 800), bet(), win(), win(conflict=content), balance(), win()),
    )
    if content != "lower amount":
        # A win of nothing is one too.
        contract_check(scenario(BetPlan(500, 0), bet(), win(), win(conflict=content), balance()))


@rule("IDEM-04", "IDEM-05")
def test_a_win_that_names_another_open_bet(contract_check: SuiteCheck) -> None:
    bets = [BetPlan(500, 800), BetPlan(300, 20)]
    contract_check(
        scenario(bets, bet(0), bet(1), win(0, closed=False), win(0, conflict="next bet", focus=True), balance())
    )


@rule("IDEM-03", "IDEM-05")
def test_a_bet_that_is_free_only_at_times(contract_check: SuiteCheck) -> None:
    contract_check(scenario(BetPlan(500), bet(), bet(conflict="free", focus=True), rollback(), balance()))
    if contract_check.run.settings.rewards:
        contract_check(scenario(BetPlan(0, reward="granted"), bet(), bet(conflict="free"), balance(), rollback()))


def skip_without_another_game(contract_check: SuiteCheck, content: str) -> None:
    """A wallet that takes only bets of games it knows would refuse an unknown one for that."""
    if content == "game" and len(contract_check.run.settings.games) == 1:
        pytest.skip("no second game: give a second --operator-game")


@rule("IDEM-06")
def test_a_bet_replayed_after_its_rollback(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(640), bet(), rollback(), bet(), balance(), rollback(0, 1), balance()),
        scenario(BetPlan(640), bet(), rollback(closed=False), bet(), rollback(), bet()),
        # Declined, rolled back, and affordable when it comes again.
        scenario(
            [BetPlan(50), BetPlan(1, of_balance=True)], bet(0), bet(1), rollback(1), rollback(0), bet(1), balance()
        ),
    )


@rule("IDEM-07")
def test_a_bet_replayed_after_settlement(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(BetPlan(550, 1200), bet(), win(), bet(), balance()),
        scenario(BetPlan(550, 0), bet(), win(), bet()),
    )
