"""What the strategies draw: payable, ordered, and every pattern worth meeting."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from honest_wallets import Habits, Wallet, provider_of
from hypothesis import HealthCheck, Phase, given, seed, settings

from pytest_provider_contract.funds import Funds
from pytest_provider_contract.history import UNKNOWN_PLAYER
from pytest_provider_contract.ledger import LARGE
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import Scenario
from pytest_provider_contract.strategies import PATTERNS, STORIES, scenarios

RICH = Funds(1 << 40, 1 << 40, players=2, reward=True)
SEVERAL = [
    Funds(3, 3),
    Funds(1, 1),
    Funds(0, 1),
    Funds(100, 7),
    Funds(10_000, 10_000, players=2),
    Funds(1 << 40, LARGE + 3),
    RICH,
]


@cache
def drawn(funds: Funds, count: int) -> list[Scenario]:
    """Some scenarios, the same ones every time."""
    found: list[Scenario] = []

    @seed(1)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(scenarios(funds))
    def draw(value: Scenario) -> None:
        found.append(value)

    draw()
    return found


@pytest.mark.parametrize("funds", SEVERAL, ids=str)
def test_no_stake_is_above_the_largest(funds: Funds) -> None:
    for value in drawn(funds, 100):
        for plan in value.used_bets().values():
            assert plan.win <= max(funds.max_stake, 1)
            if plan.of_balance:
                assert funds.max_stake >= funds.balance
                assert plan.stake in (0, 1)
            else:
                assert 0 <= plan.stake <= max(funds.max_stake, 1)
                assert plan.reward is None or plan.stake == 0


@pytest.mark.parametrize("funds", SEVERAL, ids=str)
def test_every_scenario_is_well_formed(funds: Funds) -> None:
    for value in drawn(funds, 100):
        assert value.steps
        assert value.players <= funds.players
        for step in value.steps:
            assert (step.bet is None) == (step.send is Kind.BALANCE)
            assert step.bet is None or step.bet < len(value.bets)
            assert step.player in (None, *range(funds.players), UNKNOWN_PLAYER)
            assert step.damage is None
            assert not step.of_win or step.send is Kind.ROLLBACK
        if not funds.reward:
            assert all(plan.reward != "granted" for plan in value.bets)


@pytest.mark.parametrize("funds", SEVERAL, ids=str)
def test_one_rollback_id_names_one_transaction_of_one_player(funds: Funds) -> None:
    for value in drawn(funds, 100):
        named: dict[tuple[int | None, int], set[tuple[int | None, bool]]] = {}
        for step in value.steps:
            if step.send is Kind.ROLLBACK:
                named.setdefault((step.bet, step.attempt), set()).add((step.player, step.of_win))
        assert all(len(targets) == 1 for targets in named.values())


def test_a_settled_bet_is_never_rolled_back_by_its_own_player() -> None:
    for value in drawn(RICH, 300):
        won = {s.bet for s in value.steps if s.send is Kind.WIN}
        rolled_back = {s.bet for s in value.steps if s.send is Kind.ROLLBACK and s.player is None and not s.of_win}
        assert not won & rolled_back


def test_every_pattern_is_met() -> None:
    met = Counter(name for value in drawn(RICH, 300) for name, pattern in PATTERNS.items() if pattern(value))
    assert {name for name in PATTERNS if not met[name]} == set()


def test_a_story_that_sends_its_bet_ends_with_its_money_settled() -> None:
    for name, story in STORIES.items():
        steps = story(0)
        assert {s.bet for s in steps} == {0}
        sent = any(s.send is Kind.BET for s in steps)
        assert not sent or any(s.send in (Kind.WIN, Kind.ROLLBACK) for s in steps), name


@pytest.mark.parametrize("money", [0, 1, 3, 20])
def test_poor_players_are_no_obstacle(money: int) -> None:
    for value in drawn(Funds(money, max(money, 1), players=2), 40):
        played = provider_of(Wallet(Habits(), {"alice": money, "bob": money})).play(value)
        assert played.violation is None


def test_most_stakes_can_be_paid() -> None:
    declined = sent = 0
    for value in drawn(Funds(10_000, 10_000), 100):
        wallet = Wallet(Habits(), {"alice": 10_000})
        provider_of(wallet).play(value)
        declined += sum(kept.fate == "declined" for kept in wallet.bets.values())
        sent += len(wallet.bets)
    assert declined < sent / 4
