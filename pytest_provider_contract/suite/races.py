"""Callbacks at the same time: some order of them must explain what came of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_provider_contract.scenario import (
    BetPlan,
    Scenario,
    Step,
    balance,
    bet,
    rollback,
    scenario,
    together,
    win,
)
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule

# Many at once are most likely to collide; a pair of them is what some locks let through.
WIDTHS = (8, 2, 10, 4)


def at_once(*steps: Step) -> tuple[Step, ...]:
    """Steps sent at the same time, all of them in focus."""
    return together(*(replace(step, focus=True) for step in steps))


@rule("RACE-01")
def test_copies_of_a_bet(contract_check: SuiteCheck) -> None:
    contract_check.storm(
        *(scenario(BetPlan(1000, 300), *at_once(*[bet()] * n), bet(), win(), rule="RACE-01") for n in WIDTHS),
        # Two contents under one transactionId: only one of them counts.
        scenario(BetPlan(1000), *at_once(bet(), bet(conflict="lower amount")), balance(), rollback(), rule="RACE-01"),
    )


@rule("RACE-02")
def test_copies_of_a_win(contract_check: SuiteCheck) -> None:
    plans = [BetPlan(500, 700)]
    if contract_check.run.settings.rewards:
        plans.append(BetPlan(0, 700, reward="granted"))
    contract_check.storm(
        *(scenario(plan, bet(), *at_once(*[win()] * n), win(), rule="RACE-02") for n in WIDTHS for plan in plans)
    )


@rule("RACE-03")
def test_rollbacks_of_a_bet(contract_check: SuiteCheck) -> None:
    contract_check.storm(*(plan for n in WIDTHS for plan in _of_rollbacks(n)))


def _of_rollbacks(n: int) -> list[Scenario]:
    with_own_ids, the_same = [rollback(0, k) for k in range(n)], [rollback() for _ in range(n)]
    return [
        scenario(BetPlan(600), bet(), *at_once(*with_own_ids), rule="RACE-03"),
        # Retries of a rollback whose bet never came: they all leave the same tombstone.
        scenario(BetPlan(600), *at_once(*with_own_ids), bet(), balance(), rule="RACE-03"),
        scenario(BetPlan(600), bet(), *at_once(*the_same), rule="RACE-03"),
    ]


@rule("RACE-04")
def test_bets_above_the_balance(contract_check: SuiteCheck) -> None:
    if contract_check.run.funds().stake_limited:
        contract_check.not_tested("a bet of almost all the money is out of reach")
    # The first bet leaves a thousand units; any two of the others are more than that.
    left = min(1_000, max(contract_check.run.funds().balance // 2, 1))
    # In rounds of their own too: a lock per round keeps apart only the bets of one.
    contract_check.storm(*(_overdraft(n, left, apart) for n in WIDTHS for apart in (1, 0)), exact_amounts=True)


def _overdraft(n: int, left: int, apart: int) -> Scenario:
    plans = [
        BetPlan(-left, of_balance=True),
        *(BetPlan(left // 2 + 1, round=1 + i * apart) for i in range(n)),
    ]
    later = [rollback(i) for i in range(n + 1)]
    return scenario(plans, bet(0), *at_once(*(bet(i + 1) for i in range(n))), balance(), *later, rule="RACE-04")


@rule("RACE-05")
def test_callbacks_of_several_bets(contract_check: SuiteCheck) -> None:
    # In one round as well: what is kept per round begins with its first bet.
    shared = [plan for n in WIDTHS[:2] for plan in _of_several_bets(n, 0)]
    contract_check.storm(*(plan for n in WIDTHS for plan in _of_several_bets(n, 1)), *shared)


def _of_several_bets(n: int, apart: int) -> list[Scenario]:
    plans = [BetPlan(101 + 7 * i, 13 + 11 * i, round=i * apart) for i in range(n + 1)]
    bets, some = [bet(i) for i in range(n)], [bet(i) for i in range(n // 2 + 1)]
    wins, refunds = [win(i) for i in range(n)], [rollback(i) for i in range(n)]
    mixed = [(win(i), rollback(i), bet(i))[i % 3 if i < len(some) else 2] for i in range(n)]
    return [
        scenario(plans, *at_once(*bets), *wins, rule="RACE-05"),
        scenario(plans, *bets, *at_once(*wins), rule="RACE-05"),
        scenario(plans, *bets, *at_once(*refunds), rule="RACE-05"),
        scenario(plans, *some, *at_once(*mixed), *wins, rule="RACE-05"),
    ]


@rule("RACE-06")
def test_a_bet_and_its_rollback(contract_check: SuiteCheck) -> None:
    # Asked for before the rollback comes again, which would mend what went wrong.
    after = (balance(), rollback(0, 50, focus=True), balance(), bet(), balance())
    placed = (bet(),)
    # Several bets before the rollback: only those that have looked before it came can go wrong.
    groups = (
        ((), [bet(), bet(), rollback(), bet()]),
        # What a replay has read when the rollback comes must not be written over it.
        (placed, [bet(), bet(), bet(), rollback()]),
        ((), [rollback(), bet(), bet(), bet(), rollback(0, 1)]),
        (placed, [bet(), bet(), rollback(), bet(), bet()]),
        ((), [bet(), rollback()]),
        ((), [rollback(), bet()]),
        ((), [bet(), rollback(), rollback(0, 1)]),
    )
    contract_check.storm(
        *(scenario(BetPlan(900), *before, *at_once(*group), *after, rule="RACE-06") for before, group in groups)
    )


@rule("RACE-07")
def test_two_players(contract_check: SuiteCheck) -> None:
    # Two to a round, one of each player.
    plans = [BetPlan(211 + 100 * i, 37 + 50 * i, player=i % 2, round=i // 2) for i in range(8)]
    bets, wins, refunds = ([step(i) for i in range(8)] for step in (bet, win, rollback))
    contract_check.storm(
        scenario(plans, *at_once(*bets), *wins, rule="RACE-07"),
        scenario(plans, *bets, *at_once(*wins[:4], *refunds[4:]), rule="RACE-07"),
        scenario(plans, *bets[:4], *at_once(*wins[:4], *bets[4:]), *refunds[4:], rule="RACE-07"),
    )


@rule("RACE-08")
def test_everybody_is_answered(contract_check: SuiteCheck) -> None:
    plans = [BetPlan(100 + i, 50 + i, round=i) for i in range(6)]
    first = [bet(i) for i in range(4)]
    contract_check.storm(
        scenario(plans, *first, *at_once(balance(), win(0), win(1), rollback(2), bet(4), bet(5), balance(), win(3))),
        scenario(plans, *at_once(*(balance() for _ in range(6)), *first)),
    )
