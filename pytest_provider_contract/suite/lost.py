"""Lost replies and retries: what the network does to callbacks must not cost anybody money."""

from __future__ import annotations

import pytest

from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, together, win
from pytest_provider_contract.suite_check import SuiteCheck
from pytest_provider_contract.transport import Fault

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule

GONE = (Fault.REPLY_LOST, Fault.RESET)
# Until then a wallet has done what it does when it finds nobody to reply to.
_NOTICED_MS = 80


@rule("LOST-01")
def test_a_bet_is_retried(contract_check: SuiteCheck) -> None:
    # The first retry may be declined by a wallet that is still busy with the bet; the last one meets
    # one that has noticed who went away.
    retries = (bet(focus=True), balance(), bet(focus=True, wait_ms=_NOTICED_MS))
    contract_check(
        *(scenario(BetPlan(1000, 400), bet(fault=fault), *retries, win()) for fault in GONE),
        scenario(
            BetPlan(1000, 400), bet(fault=GONE[0]), bet(fault=GONE[1]), bet(focus=True, wait_ms=_NOTICED_MS), win()
        ),
    )


@rule("LOST-02")
def test_a_bet_is_rolled_back(contract_check: SuiteCheck) -> None:
    # The rollback may overtake the bet; the bet that comes once more makes sure that it arrives.
    late = (rollback(0, 1, wait_ms=_NOTICED_MS), bet(), rollback(0, 2, focus=True), balance(wait_ms=300))
    contract_check(
        *(scenario(BetPlan(1000), bet(fault=fault), rollback(), *late) for fault in GONE),
        scenario(BetPlan(1000), bet(fault=GONE[0]), rollback(fault=GONE[0]), rollback(0, 3), *late),
    )


@rule("LOST-03")
def test_a_win_is_retried(contract_check: SuiteCheck) -> None:
    for delays_ms in contract_check.backoffs_ms(Kind.WIN):
        retries = [win(fault=fault, wait_ms=ms) for ms, fault in zip(delays_ms, GONE * 2, strict=False)]
        last = (win(focus=True, wait_ms=delays_ms[-1]), balance(), win(wait_ms=30))
        contract_check(
            scenario(BetPlan(500, 900), bet(), win(fault=GONE[0]), *last),
            scenario(BetPlan(500, 900), bet(), win(fault=GONE[1]), *retries, *last),
        )


@rule("LOST-04")
def test_a_rollback_is_retried(contract_check: SuiteCheck) -> None:
    for delays_ms in contract_check.backoffs_ms(Kind.ROLLBACK):
        retries = [
            rollback(0, n, fault=fault, wait_ms=ms)
            for n, (ms, fault) in enumerate(zip(delays_ms, GONE * 2, strict=False), 1)
        ]
        last = (rollback(0, 8, focus=True, wait_ms=delays_ms[-1]), balance(), rollback(0, 9, wait_ms=30))
        contract_check(
            scenario(BetPlan(700), bet(), rollback(fault=GONE[0]), *last),
            scenario(BetPlan(700), bet(), rollback(fault=GONE[1]), *retries, *last),
            scenario(BetPlan(700), bet(), rollback(fault=GONE[0]), rollback(focus=True), balance()),
        )


@rule("LOST-05")
def test_half_a_request(contract_check: SuiteCheck) -> None:
    cut = Fault.CUT
    contract_check(
        scenario(BetPlan(800, 300), bet(fault=cut), balance(wait_ms=50, focus=True), bet(), win()),
        scenario(BetPlan(800, 300), bet(), win(fault=cut), balance(wait_ms=50, focus=True), win()),
        scenario(BetPlan(800), bet(), rollback(fault=cut), balance(wait_ms=50, focus=True), rollback(0, 1)),
    )


@rule("LOST-06")
def test_a_request_arrives_twice(contract_check: SuiteCheck) -> None:
    twice = Fault.TWICE
    contract_check.storm(
        scenario(BetPlan(900, 500), bet(fault=twice, focus=True), balance(), win(fault=twice), balance(wait_ms=30)),
        scenario(BetPlan(900), bet(), rollback(fault=twice, focus=True), balance(wait_ms=30), rollback(0, 1)),
    )


@rule("LOST-07")
def test_a_slow_network(contract_check: SuiteCheck) -> None:
    plans = [BetPlan(100, 50), BetPlan(200, 70), BetPlan(300, 0), BetPlan(400, 90)]
    write, read = Fault.SLOW_WRITE, Fault.SLOW_READ
    slow = together(
        bet(2, fault=write, focus=True),
        win(0, fault=write),
        rollback(1, fault=write),
        bet(3, fault=read),
        balance(fault=read),
    )
    contract_check(scenario(plans, bet(0), bet(1), *slow, win(2), win(3)))
