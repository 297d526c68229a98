"""Bringing the players back to the money that they began with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from honest_wallets import Habits, Wallet
from memory_wire import run_at

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.profile import Status
from pytest_provider_contract.provider import Performance
from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, win


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


@dataclass
class LossLimit(Wallet):
    """Takes no bet that could lose more than 5 000 in all."""

    begun: int = 1_000_000

    def refusal(self, c: Callback, amount: int) -> Status | None:
        lost = self.begun - self.money[c.player_id]
        return Status.BET_LIMIT if lost + amount > 5_000 else super().refusal(c, amount)


@pytest.mark.parametrize("lost", [37, 800, 4_832, 4_999])
def test_a_loss_near_the_operators_limit_is_made_good_with_small_stakes(lost: int, tmp_path: Path) -> None:
    wallet = LossLimit(Habits(), {"alice": 1_000_000, "bob": 1_000_000})
    run = run_at(wallet, tmp_path)
    run.funds()
    run.provider.play(scenario(BetPlan(lost, 0), bet(), win()))
    assert run.purse.restore() == []
    assert wallet.money["alice"] == 1_000_000


def test_a_rule_is_tested_though_earlier_scenarios_have_lost_what_the_operator_lets_a_player_lose(
    tmp_path: Path,
) -> None:
    wallet = LossLimit(Habits(), {"alice": 1_000_000, "bob": 1_000_000})
    run = run_at(wallet, tmp_path)
    run.funds()
    run.provider.play(scenario(BetPlan(4_900, 0), bet(), win()))
    run.expect(scenario(BetPlan(500), bet(), rollback(), balance(), rule="ROLLBACK-01"))
    assert run.results.exercised["ROLLBACK-01"]
    assert run.results.not_tested == {}


@pytest.mark.parametrize("money", [10**6, 10**10])
@pytest.mark.parametrize("limit", [None, 50_000])
def test_a_limit_that_is_named_only_where_there_is_money_forbids_large_wins(
    money: int, limit: int | None, tmp_path: Path
) -> None:
    wallet = Wallet(Habits(limit=limit), {"alice": money, "bob": money})
    run = run_at(wallet, tmp_path)
    # What a large win has credited could never be taken back with stakes so small.
    assert run.funds().allow_large is (limit is None)
    assert wallet.money == {"alice": money, "bob": money}


def test_an_operator_that_is_slow_within_its_deadlines_has_its_limits_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Performance, "hangs", True)
    wallet = Wallet(Habits(), {"alice": 90_000, "bob": 80_000})
    assert run_at(wallet, tmp_path).funds().balance == 80_000
