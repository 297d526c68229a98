"""Signature: nothing without it, everything with it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_provider_contract.callbacks import Spelling
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import BetPlan, Scenario, Step, balance, bet, rollback, scenario, win
from pytest_provider_contract.signing import Forgery
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


KINDS = pytest.mark.parametrize("callback", list(Kind))


def forged(callback: Kind, forgery: Forgery) -> Scenario:
    """A forged callback, then the same transaction signed well: only that one counts."""
    bad: Step
    good: Step
    # There must be something to trim.
    how: dict[str, Any] = {
        "forgery": forgery,
        "spelling": Spelling.NEWLINE if forgery is Forgery.TRIMMED else Spelling.COMPACT,
    }
    match callback:
        case Kind.BALANCE:
            return scenario([], balance(), balance(**how, focus=True), balance())
        case Kind.BET:
            bad, good = bet(**how), bet(focus=True)
            return scenario(BetPlan(411), balance(), bad, balance(), good, rollback(), rule="SIG-08", via="BET-01")
        case Kind.WIN:
            bad, good = win(**how), win(focus=True)
            return scenario(BetPlan(411, 913), bet(), bad, balance(), good, rule="SIG-08", via="WIN-01")
        case Kind.ROLLBACK:
            bad, good = rollback(**how), rollback(focus=True)
            return scenario(BetPlan(411), bet(), bad, balance(), good, rule="SIG-08", via="ROLLBACK-01")


@rule("SIG-01")
@KINDS
def test_without_a_signature(contract_check: SuiteCheck, callback: Kind) -> None:
    contract_check(forged(callback, Forgery.ABSENT), forged(callback, Forgery.EMPTY))


@rule("SIG-02")
@KINDS
def test_a_signature_that_is_none(contract_check: SuiteCheck, callback: Kind) -> None:
    contract_check(forged(callback, Forgery.NOT_BASE64), forged(callback, Forgery.TRUNCATED))


@rule("SIG-03")
@KINDS
def test_another_key(contract_check: SuiteCheck, callback: Kind) -> None:
    contract_check(forged(callback, Forgery.OTHER_KEY))


@rule("SIG-04")
@KINDS
def test_another_body(contract_check: SuiteCheck, callback: Kind) -> None:
    contract_check(*(forged(callback, f) for f in (Forgery.CHANGED_AMOUNT, Forgery.CHANGED_SPACE, Forgery.REUSED)))
    contract_check(forged(callback, Forgery.TRIMMED))


@rule("SIG-05")
@KINDS
def test_another_scheme(contract_check: SuiteCheck, callback: Kind) -> None:
    contract_check(forged(callback, Forgery.PSS), forged(callback, Forgery.SHA1))


@rule("SIG-09")
def test_stray_characters(contract_check: SuiteCheck) -> None:
    contract_check(
        scenario([], balance(forgery=Forgery.STRAY)),
        scenario(BetPlan(411), bet(forgery=Forgery.STRAY), balance(), rollback(), balance()),
    )


@rule("SIG-06")
@pytest.mark.parametrize("spelling", list(Spelling))
def test_spellings_of_the_body(contract_check: SuiteCheck, spelling: Spelling) -> None:
    bets = [BetPlan(131, 77), BetPlan(59)]
    how: dict[str, Any] = {"spelling": spelling, "focus": True}
    steps = (balance(**how), bet(0, **how), win(0, **how), bet(1), rollback(1, **how))
    contract_check(scenario(bets, *steps, rule="SIG-06", via="BET-01"))


@rule("SIG-07")
@pytest.mark.parametrize("case", ["lower", "upper"])
def test_letter_case_of_the_header(contract_check: SuiteCheck, case: str) -> None:
    bets = [BetPlan(131, 77), BetPlan(59)]
    how: dict[str, Any] = {"header_case": case, "focus": True}
    steps = (balance(**how), bet(0, **how), win(0, **how), bet(1), rollback(1, **how))
    contract_check(scenario(bets, *steps, rule="SIG-07", via="BET-01"))


@rule("SIG-08")
def test_a_forged_callback_leaves_no_trace(contract_check: SuiteCheck) -> None:
    other, absent = Forgery.OTHER_KEY, Forgery.ABSENT
    contract_check(
        # Neither a recorded bet, nor a tombstone, nor a settled bet stays behind.
        scenario(BetPlan(377), bet(forgery=other), bet(focus=True), rollback(), rule="SIG-08", via="BET-01"),
        scenario(BetPlan(377), rollback(forgery=other), bet(focus=True), rollback(), rule="SIG-08", via="BET-01"),
        scenario(BetPlan(377, 50), bet(), win(forgery=other), win(focus=True), rule="SIG-08", via="WIN-01"),
        # A win of nothing moves no money, and settles its bet all the same.
        scenario(BetPlan(377), bet(), win(forgery=other), rollback(focus=True), rule="SIG-08", via="ROLLBACK-01"),
        scenario(BetPlan(377), bet(), rollback(forgery=absent), rollback(focus=True), rule="SIG-08", via="ROLLBACK-01"),
    )
    if contract_check.run.settings.rewards:
        # Free bets are often another service's business; their wins are real money.
        plan = BetPlan(0, 50, reward="granted")
        contract_check(
            scenario(plan, bet(), win(forgery=absent), win(forgery=other), balance(), win(focus=True), via="FREE-03"),
            scenario(plan, bet(forgery=absent), balance(), bet(focus=True), rollback(), via="FREE-01"),
        )


@rule("SIG-03")
def test_a_forged_replay(contract_check: SuiteCheck) -> None:
    """What is done already is not told to anybody either: known ids are no proof of who asks."""
    other, absent = Forgery.OTHER_KEY, Forgery.ABSENT
    contract_check(
        scenario(BetPlan(377), bet(), bet(forgery=other), bet(forgery=absent), rollback()),
        scenario(BetPlan(377, 50), bet(), win(), win(forgery=other), win(forgery=absent), balance()),
        scenario(BetPlan(377), bet(), rollback(), rollback(forgery=other), rollback(0, 1, forgery=absent), balance()),
        scenario(BetPlan(377, 50), bet(), win(), bet(forgery=other), bet(forgery=absent), balance()),
    )
