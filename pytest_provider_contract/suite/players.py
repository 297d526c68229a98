"""Players: nobody touches another's money."""

from __future__ import annotations

import pytest

from pytest_provider_contract.history import UNKNOWN_PLAYER
from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, win
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


@rule("PLAYER-01")
def test_two_players_at_the_same_time(contract_check: SuiteCheck) -> None:
    bets = [BetPlan(1000, 300), BetPlan(450, 2000, player=1), BetPlan(70, player=1), BetPlan(80)]
    contract_check(
        scenario(
            bets,
            balance(0),
            balance(1),
            bet(0, focus=True),
            balance(1),
            bet(1),
            balance(0),
            bet(2),
            bet(3),
            win(1),
            balance(0),
            win(0),
            rollback(3),
            rollback(2),
            balance(1),
            rule="PLAYER-01",
            via="BET-01",
        ),
        # What holds for one player holds for the other.
        scenario(
            [BetPlan(450, 2000, player=1), BetPlan(300, player=1), BetPlan(90, player=1)],
            *(bet(0, focus=True), bet(0), win(0, closed=False), win(0, closed=False)),
            *(rollback(1, closed=False), bet(1)),
            *(bet(2), rollback(2), rollback(2, 1), bet(2), balance(1)),
            rule="PLAYER-01",
            via="BET-01",
        ),
    )


@rule("PLAYER-02", "PLAYER-03")
@pytest.mark.parametrize("callback", ["balance", "bet", "win", "rollback"])
def test_an_unknown_player(contract_check: SuiteCheck, callback: str) -> None:
    stray = {
        "balance": balance(UNKNOWN_PLAYER, focus=True),
        "bet": bet(0, player=UNKNOWN_PLAYER),
        "win": win(0, player=UNKNOWN_PLAYER),
        "rollback": rollback(0, player=UNKNOWN_PLAYER),
    }[callback]
    if callback in ("win", "rollback"):
        contract_check(scenario(BetPlan(300, 500), bet(), stray, balance(0), rollback(0, 1)))
    else:
        contract_check(scenario(BetPlan(300, 500), balance(0), stray, balance(0)))


@rule("PLAYER-04")
def test_another_players_bet(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario(
            BetPlan(600), bet(), rollback(0, 5, player=1), balance(0), balance(1), rollback(), rollback(0, 6, player=1)
        ),
        scenario(BetPlan(600, player=1), bet(), rollback(0, 5, player=0), balance(0), balance(1), rollback()),
        scenario(BetPlan(600, 250), bet(), rollback(0, 5, player=1), win(focus=True), via="WIN-01"),
    )


@rule("PLAYER-04")
def test_another_players_rollback_came_first(contract_check: SuiteCheck) -> None:
    """It stands for no rollback of the player's own, neither before the bet nor after it."""
    strange = rollback(0, 5, player=1, focus=True)
    contract_check(
        scenario(BetPlan(600), strange, rollback(), bet(), rollback(0, 1)),
        scenario(BetPlan(600), strange, bet(), rollback(), rollback(0, 1)),
    )


@rule("PLAYER-01")
def test_a_win_for_another_players_bet(contract_check: SuiteCheck) -> None:
    # Credited to the player it names, or refused. What becomes then of the bet nobody says; but refused
    # it leaves the bet to its player.
    stray = win(player=1, focus=True)
    contract_check(
        scenario(BetPlan(600, 250), bet(), stray, balance(0), balance(1), rollback(), balance(0), rule="PLAYER-01")
    )
