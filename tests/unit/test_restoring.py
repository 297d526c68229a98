"""Bringing the players back to the money that they began with."""

from __future__ import annotations

from pathlib import Path

import pytest
from honest_wallets import Habits, Wallet
from memory_wire import run_at

from pytest_provider_contract.scenario import BetPlan, bet, scenario, win


@pytest.mark.parametrize(
    ("habits", "left"),
    [
        (Habits(), []),
        (Habits(zero_bet="decline"), []),
        (Habits(early_win="refuse"), []),
        (Habits(zero_bet="decline", early_win="refuse"), ["alice: -90 000 minor units"]),
    ],
)
def test_a_player_who_lost_everything_gets_it_back(tmp_path: Path, habits: Habits, left: list[str]) -> None:
    wallet = Wallet(habits, {"alice": 90_000, "bob": 80_000})
    run = run_at(wallet, tmp_path)
    run.funds()
    lost = scenario(BetPlan(0, 0, of_balance=True), bet(), win())
    run.provider.play(lost)
    assert wallet.money == {"alice": 0, "bob": 80_000}
    assert run.purse.restore() == left
    assert (wallet.money["alice"] == 90_000) is (not left)
