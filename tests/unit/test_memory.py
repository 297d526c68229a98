"""Replaying old transactions: never an accusation of an honest wallet, always one of a forgetful one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from honest_wallets import HABITS, Habits, Wallet, provider_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_provider_contract.funds import Funds
from pytest_provider_contract.memory import Memory, recall
from pytest_provider_contract.provider import Provider
from pytest_provider_contract.scenario import BetPlan, Scenario, bet, rollback, scenario, win
from pytest_provider_contract.strategies import scenarios

FUNDS = Funds(10_000, 10_000, players=2, reward=True, allow_large=False)
SETTLED = scenario(BetPlan(100, 90), bet(), win())
REFUNDED = scenario(BetPlan(100), bet(), rollback())
TOMBSTONED = scenario(BetPlan(100), rollback(), bet(), rollback(0, 1))
AWAITED = scenario(BetPlan(100), rollback())
DECLINED = scenario(BetPlan(1, of_balance=True), bet())


def remember(provider: Provider, *plans: Scenario) -> Memory:
    memory = Memory()
    for plan in plans:
        performance = provider.play(plan)
        assert performance.violation is None
        memory.keep(performance, 0)
    return memory


@pytest.mark.no_cover  # it costs half the time, and the others reach every line too
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=300)
@given(HABITS, st.lists(scenarios(FUNDS), min_size=1, max_size=4))
def test_an_honest_wallet_is_never_accused(habits: Habits, plans: list[Scenario]) -> None:
    wallet = Wallet(habits, {"alice": 20_000, "bob": 30_000})
    provider = provider_of(wallet)
    memory = remember(provider, *plans)
    for _ in range(3):
        provider.known.clear()
        before = dict(wallet.money)
        kept = memory.sample()
        recalled = recall(provider, kept)
        assert recalled.violation is None
        assert wallet.money == before
        memory.renew(kept, recalled.keepsakes)


@pytest.mark.parametrize(
    ("plan", "outcome"),
    [
        (SETTLED, "settled"),
        (REFUNDED, "refunded"),
        (TOMBSTONED, "tombstoned"),
        (AWAITED, "awaited"),
        (DECLINED, "declined"),
    ],
)
def test_every_outcome_is_kept_and_replayed(plan: Scenario, outcome: str) -> None:
    provider = provider_of(Wallet(Habits(), {"alice": 20_000}))
    (kept,) = remember(provider, plan).sample()
    assert kept.outcome == outcome
    recalled = recall(provider, [kept])
    assert recalled.replays == len([*kept.replays(), *kept.rollbacks()])
    assert recalled.exercised["IDEM-09"] == recalled.replays >= 2


HELD = scenario([BetPlan(100, round=n) for n in range(4)], *map(bet, range(4)))


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=50)
@given(HABITS, st.lists(scenarios(FUNDS), max_size=3))
def test_bets_held_open_are_settled_at_the_end(habits: Habits, plans: list[Scenario]) -> None:
    wallet = Wallet(habits, {"alice": 20_000, "bob": 30_000})
    provider = provider_of(wallet)
    memory = Memory()
    memory.hold(provider.play(HELD, hold=True), 70, 0)
    held = memory.sample()
    remember(provider, *plans)
    before = wallet.money["alice"]
    recalled = recall(provider, held)
    assert recalled.violation is None
    won = sum(k.win is not None for k in held)
    assert wallet.money["alice"] == before + 70 * won + 100 * (len(held) - won)
    memory.renew(held, recalled.keepsakes)
    assert not memory.let_go()
    again = wallet.money["alice"]
    assert recall(provider, memory.sample()).violation is None
    assert wallet.money["alice"] == again


def test_what_is_still_held_open_is_let_go_of() -> None:
    provider = provider_of(Wallet(Habits(), {"alice": 20_000}))
    memory = remember(provider, SETTLED)
    memory.hold(provider.play(HELD, hold=True), 70, 0)
    assert len(memory.let_go()) == 4
    assert [k.outcome for k in memory.sample()] == ["settled"]


@pytest.mark.parametrize("remembers", [True, False])
def test_a_rollback_that_tidied_up_may_be_answered_as_it_was_then(remembers: bool) -> None:
    habits = Habits(replay_tells="original", remembers_declined=remembers, declined_rollback="succeed")
    provider = provider_of(Wallet(habits, {"alice": 20_000}))
    memory = remember(provider, DECLINED, SETTLED)
    for _ in range(3):
        kept = memory.sample()
        recalled = recall(provider, kept)
        assert recalled.violation is None
        memory.renew(kept, recalled.keepsakes)
        remember(provider, SETTLED)  # moves the balance on


def forget_bets(wallet: Wallet) -> None:
    wallet.bets.clear()
    wallet.tombstones.clear()
    wallet.late.clear()


def forget_wins(wallet: Wallet) -> None:
    wallet.wins.clear()
    for known in wallet.bets.values():
        known.fate = "open"


def forget_tombstones(wallet: Wallet) -> None:
    wallet.tombstones.clear()


@pytest.mark.parametrize(
    ("plan", "forget", "rule", "story"),
    [
        (SETTLED, forget_bets, "IDEM-09", "bet win bet"),
        (SETTLED, forget_wins, "IDEM-09", "bet win win"),
        # Its reply could be the original one: only the money tells.
        (REFUNDED, forget_bets, "IDEM-09", "bet rollback bet, and a balance"),
        (AWAITED, forget_tombstones, "ROLLBACK-05", "rollback bet"),
    ],
)
def test_a_forgetful_wallet_is_found(plan: Scenario, forget: Callable[[Wallet], None], rule: str, story: str) -> None:
    wallet = Wallet(Habits(), {"alice": 20_000})
    provider = provider_of(wallet)
    kept = remember(provider, plan).sample()
    forget(wallet)
    recalled = recall(provider, kept)
    assert recalled.violation is not None
    assert recalled.violation.rule == rule
    assert recalled.evidence is not None
    steps = recalled.evidence.scenario.steps
    told = " ".join(step.send for step in steps)
    assert told + ", and a balance" * (recalled.evidence.position == len(steps)) == story
    assert provider.known == {}


def test_money_that_moves_silently_is_found_by_the_closing_balance() -> None:
    wallet = Wallet(Habits(), {"alice": 20_000})
    provider = provider_of(wallet)
    kept = remember(provider, SETTLED).sample()
    replayed = len(list(kept[0].replays()))
    calls = 0
    answer = wallet.answer

    def lying(callback):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        told = answer(callback)
        if calls == replayed:
            wallet.money["alice"] -= 7
        return told

    wallet.answer = lying  # type: ignore[method-assign]
    recalled = recall(provider, kept)
    assert recalled.violation is not None
    assert recalled.violation.rule == "IDEM-09"


def test_few_are_kept_and_the_first_always() -> None:
    provider = provider_of(Wallet(Habits(), {"alice": 20_000}))
    memory = Memory()
    first = None
    for sent in range(200):
        memory.keep(provider.play(SETTLED), sent)
        first = first or memory.sample()[0]
    kept = memory.sample()
    assert 4 <= len(kept) <= 8
    assert kept[0] == first
    assert kept[-1].kept_at > 100


def test_what_overlapped_is_not_kept() -> None:
    provider = provider_of(Wallet(Habits(), {"alice": 20_000}))
    performance = provider.play(SETTLED)
    first, *others = performance.exchanges
    overlapping = replace(first, ended_s=performance.exchanges[-1].ended_s)
    memory = Memory()
    memory.keep(replace(performance, exchanges=(overlapping, *others)), 0)
    assert memory.sample() == []
