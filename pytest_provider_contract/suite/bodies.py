"""Always 200: bodies that are no JSON object, and fields that are missing or wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import pytest

from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import BetPlan, Damage, Scenario, Step, balance, bet, rollback, scenario, win
from pytest_provider_contract.signing import Forgery
from pytest_provider_contract.suite_check import SuiteCheck

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
MISTYPED = ("12345", "true", '{"a":"1"}', '["x"]', '"a\\u0000b"', '"\\ud800"')
# Some wallets take whatever comes for an id, and know all of these by the same one.
NO_NEW_ID = {(field, "true") for field in ("transactionId", "referenceTransactionId")} | {
    ("referenceTransactionId", '{"a":"1"}')
}
# A win of that size would be credited by a wallet that takes any number; a bet can't be paid.
OVERSIZED = {Kind.BET: ("9223372036854775808", "1e400", "1" + "0" * 400)}


# One scenario holds so many damaged callbacks; a damaged bet that was refused may be remembered
# or not, so every further one doubles what the judge has to keep in mind.
_TOGETHER = 6


def mixed(values: Sequence[str | None], fields: Sequence[str]) -> list[tuple[str, str | None]]:
    """Every value in every field, and first, because time may be short, different values in different fields."""
    fields_from = [[*fields[start:], *fields[:start]] for start in range(len(fields))]
    return [pair for fields_in_turn in fields_from for pair in zip(cycle(fields_in_turn), values, strict=False)]


def damaged(callback: Kind, damages: Sequence[Damage]) -> Iterator[Scenario]:
    """Damaged callbacks between sound ones, each about a bet of its own."""
    for start in range(0, len(damages), _TOGETHER):
        yield _damaged(callback, damages[start : start + _TOGETHER])


def _damaged(callback: Kind, damages: Sequence[Damage]) -> Scenario:
    steps: list[Step] = []
    for index, damage in enumerate(damages):
        how: dict[str, Any] = {"damage": damage, "focus": True}
        match callback:
            case Kind.BALANCE:
                steps.append(balance(0, **how))
            case Kind.BET:
                steps.append(bet(index, **how))
            case Kind.WIN:
                steps += [bet(index), win(index, **how)]
            case Kind.ROLLBACK:
                steps += [bet(index), rollback(index, **how)]
    return scenario([BetPlan(100, 150)] * len(damages), *steps, balance())


@rule("REPLY-02")
@KINDS
def test_a_body_that_is_no_object(contract_check: SuiteCheck, callback: Kind) -> None:
    damages = [*(Damage("REPLY-02", raw=body) for body in BODIES), Damage("REPLY-02", cut=True)]
    # Where time is short, the first few of every callback are what all of them together get.
    start = list(Kind).index(callback) * _TOGETHER // 2
    damages = [*damages[start:], *damages[:start]]
    contract_check(*damaged(callback, damages))


@rule("REPLY-02")
@KINDS
def test_a_body_that_is_nobodys(contract_check: SuiteCheck, callback: Kind) -> None:
    """Nor a good signature: what is refused first can't be counted on to be readable."""
    nonsense = (("", Forgery.ABSENT), ("[]", Forgery.ABSENT), ("{", Forgery.OTHER_KEY), ("null", Forgery.OTHER_KEY))
    steps = [Step(callback, 0, damage=Damage("REPLY-02", raw=raw), forgery=how) for raw, how in nonsense]
    contract_check(scenario(BetPlan(100, 150), *steps, balance()))


@rule("REPLY-03")
@KINDS
def test_a_field_that_is_missing(contract_check: SuiteCheck, callback: Kind) -> None:
    damages = [Damage("REPLY-03", field, value) for field, value in mixed(MISSING, FIELDS[callback])]
    contract_check(*damaged(callback, damages))


@rule("REPLY-03")
@KINDS
def test_a_field_of_another_type(contract_check: SuiteCheck, callback: Kind) -> None:
    # Whole numbers are what an amount should be.
    values = [
        (field, value)
        for field, value in mixed(MISTYPED, FIELDS[callback])
        if (field, value) not in {("amount", "12345"), ("roundClosed", "true")} | NO_NEW_ID
    ]
    # First, because they are what a database chokes on.
    values = [*(("amount", value) for value in OVERSIZED.get(callback, ())), *values]
    contract_check(*damaged(callback, [Damage("REPLY-03", field, value) for field, value in values]))
