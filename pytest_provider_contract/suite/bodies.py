"""Always 200: bodies that are no JSON object, and fields that are missing or wrong."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import BetPlan, Damage, Scenario, balance, bet, rollback, scenario, win
from pytest_provider_contract.session import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


KINDS = pytest.mark.parametrize("callback", list(Kind))
BODIES = (
    "",
    "{",
    "null",
    "[]",
    '"text"',
    "42",
    "\xff\xfe\x00",
    "<xml/>",
    '{"a":1,}',
    "{} {}",
    "[" * 2000 + "]" * 2000,
)
COMMON = ("requestId", "clientPlayerId", "clientSessionId", "timestamp")
FIELDS = {
    Kind.BALANCE: COMMON,
    Kind.BET: (*COMMON, "transactionId", "roundId", "gameId", "amount", "currency"),
    Kind.WIN: (
        *COMMON,
        "transactionId",
        "referenceTransactionId",
        "roundId",
        "gameId",
        "amount",
        "currency",
        "roundClosed",
    ),
    Kind.ROLLBACK: (*COMMON, "transactionId", "referenceTransactionId", "roundId", "gameId", "roundClosed"),
}
MISSING = (None, '""', "null")
MISTYPED = ("12345", "true", '{"a":1}', '["x"]', '"a\\u0000b"', '"\\ud800"')
# A win of that size would be credited by a wallet that takes any number; a bet can't be paid.
OVERSIZED = {Kind.BET: ("9223372036854775808", "1e400", "1" + "0" * 400)}


def damaged(callback: Kind, damage: Damage) -> Scenario:
    """The damaged callback between sound ones, about a bet of its own."""
    how: dict[str, Any] = {"damage": damage, "focus": True}
    match callback:
        case Kind.BALANCE:
            return scenario([], balance(), balance(0, **how), balance())
        case Kind.BET:
            return scenario(BetPlan(100), bet(**how), balance())
        case Kind.WIN:
            return scenario(BetPlan(100, 150), bet(), win(**how), balance())
        case Kind.ROLLBACK:
            return scenario(BetPlan(100), bet(), rollback(**how), balance())


@rule("REPLY-02")
@KINDS
def test_a_body_that_is_no_object(contract_check: SuiteCheck, callback: Kind) -> None:
    contract_check(*(damaged(callback, Damage("REPLY-02", raw=body)) for body in BODIES))
    contract_check(damaged(callback, Damage("REPLY-02", cut=True)))


@rule("REPLY-03")
@KINDS
def test_a_field_that_is_missing(contract_check: SuiteCheck, callback: Kind) -> None:
    values = [(field, value) for value in MISSING for field in FIELDS[callback]]
    contract_check(*(damaged(callback, Damage("REPLY-03", field, value)) for field, value in values))


@rule("REPLY-03")
@KINDS
def test_a_field_of_another_type(contract_check: SuiteCheck, callback: Kind) -> None:
    # Whole numbers are what an amount should be.
    values = [
        (field, value)
        for value in MISTYPED
        for field in FIELDS[callback]
        if not (field == "amount" and value == "12345") and not (field == "roundClosed" and value == "true")
    ]
    values += [("amount", value) for value in OVERSIZED.get(callback, ())]
    contract_check(*(damaged(callback, Damage("REPLY-03", field, value)) for field, value in values))
