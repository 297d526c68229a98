"""Amounts that are read, kept or checked with too little care."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_provider_contract.reference.accounts import MAX_MONEY, Account
from pytest_provider_contract.reference.faults.lax import LaxWallet
from pytest_provider_contract.reference.gateway import Gateway, Request
from pytest_provider_contract.reference.messages import (
    INSUFFICIENT_BALANCE,
    Bet,
    Callback,
    MalformedError,
    Reader,
    Reply,
    Win,
)
from pytest_provider_contract.reference.variants import fault
from pytest_provider_contract.reference.wallet import DeclinedError, Wallet


def _wrapped(number: int, bits: int) -> int:
    """The number as a signed integer of so many bits."""
    half = 1 << (bits - 1)
    return (number + half) % (2 * half) - half


# -- too few bits -------------------------------------------------------------------------------


@fault("amounts-wrap-at-32-bits", "AMOUNT-01", "AMOUNT-04", "BET-03")
class AmountsWrapAt32Bits(Reader):
    """An amount keeps its lower 32 bits, the highest of which is the sign."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        return _wrapped(super()._amount(fields), 32)


@fault("amounts-refused-above-32-bits", "AMOUNT-01", "BET-03")
class AmountsRefusedAbove32Bits(Reader):
    """An amount of 2**31 or more is malformed."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        amount = super()._amount(fields)
        if amount >= 1 << 31:
            raise MalformedError("the amount does not fit 32 bits")
        return amount


@fault("balance-wraps-at-32-bits", "AMOUNT-01", "BALANCE-01", "BET-03", "BET-01")
class BalanceWrapsAt32Bits(Gateway):
    """The balance of a reply keeps its lower 32 bits."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        balance = None if reply.balance is None else _wrapped(reply.balance, 32)
        return super()._document(request, replace(reply, balance=balance))


@fault("wins-cut-at-32-bits", "AMOUNT-01", "AMOUNT-03")
class WinsCutAt32Bits(Reader):
    """A win of 2**31 or more is credited as 2**31 - 1."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        amount = super()._amount(fields)
        return min(amount, (1 << 31) - 1) if "referenceTransactionId" in fields else amount


@fault("largest-amount-wraps", "AMOUNT-04")
class LargestAmountWraps(LaxWallet):
    """The check of the balance adds one to the amount, which wraps around at 64 bits."""

    def _check_funds(self, bet: Bet, account: Account) -> None:
        if _wrapped(bet.stake + 1, 64) > account.balance + 1:
            raise DeclinedError(INSUFFICIENT_BALANCE)


@fault("amounts-as-single-floats", "AMOUNT-01", "AMOUNT-02", "BET-02", "BET-03", "AMOUNT-03")
class AmountsAsSingleFloats(Reader):
    """An amount is kept as a 32 bit float, which loses units above 2**24."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        (amount,) = struct.unpack("f", struct.pack("f", super()._amount(fields)))
        return min(int(amount), MAX_MONEY)


@fault("amounts-as-doubles", "AMOUNT-03")
class AmountsAsDoubles(Reader):
    """An amount is kept as a double, which loses units above 2**53."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        return min(int(float(super()._amount(fields))), MAX_MONEY)


@fault("balances-as-doubles", "AMOUNT-03", "BET-01")
class BalancesAsDoubles(LaxWallet):
    """A balance is kept as a double, which loses units above 2**53."""

    def _move(self, callback: Callback, account: Account, delta: int) -> None:
        super()._move(callback, account, delta)
        now = self._store.account(account.player_id)
        if now is not None:
            self._store.set_balance(account.player_id, min(int(float(now.balance)), MAX_MONEY))


# -- rounding -----------------------------------------------------------------------------------


@fault("amounts-rounded-to-100-units", "AMOUNT-02", "BET-01", "SEQ-01")
class AmountsRoundedTo100Units(Reader):
    """An amount is rounded down to whole hundreds of minor units."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        return super()._amount(fields) // 100 * 100


@fault("amounts-through-floating-cents", "AMOUNT-02", "BET-01", "WIN-01", "SEQ-01")
class AmountsThroughFloatingCents(Reader):
    """An amount is divided by 100 and multiplied again as a float, which makes 28 of 29."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        return min(int(super()._amount(fields) / 100 * 100), MAX_MONEY)


@fault("amounts-taken-for-five-digits", "AMOUNT-02", "BET-01", "SEQ-01")
class AmountsTakenForFiveDigits(Reader):
    """An amount is taken for one of five digits and divided by 1000 to make cents."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        return super()._amount(fields) // 1000


@fault("amounts-taken-for-major-units", "AMOUNT-02", "BET-01", "SEQ-01")
class AmountsTakenForMajorUnits(Reader):
    """An amount is taken for major units and multiplied by 100."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        return min(super()._amount(fields) * 100, MAX_MONEY)


@fault("wins-rounded-to-ten-units", "AMOUNT-02", "WIN-01", "SEQ-01")
class WinsRoundedToTenUnits(Reader):
    """A win is rounded to the nearest ten minor units."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        amount = super()._amount(fields)
        return min(round(amount, -1), MAX_MONEY) if "referenceTransactionId" in fields else amount


# -- amounts that are none ----------------------------------------------------------------------


class _Lenient(Reader, ABC):
    """Makes a number of an amount that is none."""

    of_wins = False
    of_bets = True

    def _amount(self, fields: Mapping[str, Any]) -> int:
        value = fields.get("amount")
        is_win = "referenceTransactionId" in fields
        lenient = self._number(value) if (self.of_wins if is_win else self.of_bets) else None
        return super()._amount(fields) if lenient is None else lenient

    @abstractmethod
    def _number(self, value: object) -> int | None:
        """The number that is made of an amount; None where none can be made."""


class _Negative(_Lenient):
    def _number(self, value: object) -> int | None:
        return value if isinstance(value, int) and not isinstance(value, bool) and -MAX_MONEY <= value < 0 else None


@fault("negative-bet-credits", "BET-04", "SEQ-01")
class NegativeBetCredits(_Negative):
    """A bet of a negative amount is accepted and credits it."""


@fault("negative-win-debits", "WIN-06", "SEQ-01")
class NegativeWinDebits(_Negative):
    """A win of a negative amount is accepted and debits it."""

    of_wins, of_bets = True, False


@fault("negative-bet-made-positive", "BET-04")
class NegativeBetMadePositive(_Negative):
    """A bet of a negative amount debits its absolute value."""

    def _number(self, value: object) -> int | None:
        negative = super()._number(value)
        return None if negative is None else -negative


@fault("fractional-bet-truncated", "BET-04")
class FractionalBetTruncated(_Lenient):
    """A bet of a fractional amount debits what is before the decimal point."""

    def _number(self, value: object) -> int | None:
        return int(value) if isinstance(value, float) and 0 <= value < MAX_MONEY else None


@fault("fractional-win-rounded-up", "WIN-06")
class FractionalWinRoundedUp(_Lenient):
    """A win of a fractional amount is rounded up and credited."""

    of_wins, of_bets = True, False

    def _number(self, value: object) -> int | None:
        return int(value) + 1 if isinstance(value, float) and 0 <= value < 1 << 62 else None


@fault("string-bet-coerced", "BET-04", "REPLY-03")
class StringBetCoerced(_Lenient):
    """A bet whose amount is a string of digits is accepted."""

    def _number(self, value: object) -> int | None:
        is_number = isinstance(value, str) and value.isascii() and value.isdigit()
        return min(int(str(value)[:20]), MAX_MONEY) if is_number else None


# -- currencies ---------------------------------------------------------------------------------


@fault("bet-in-other-currency-accepted", "BET-05")
class BetInOtherCurrencyAccepted(Wallet):
    """A bet in another currency is debited as if it were in the player's."""

    def _bet(self, bet: Bet, account: Account) -> None:
        super()._bet(replace(bet, currency=account.currency), account)


@fault("bet-in-other-currency-switches-player", "BET-05", "BALANCE-04")
class BetInOtherCurrencySwitchesPlayer(LaxWallet):
    """A bet in another currency is declined, but from then on the player's money is in that currency."""

    def _declined(self, callback: Callback, account: Account | None, status: str) -> Reply:
        if isinstance(callback, Bet) and account is not None and callback.currency != account.currency:
            query = "UPDATE players SET currency = ? WHERE player_id = ?"
            self._store.connection.execute(query, (callback.currency, account.player_id))
        return super()._declined(callback, account, status)


@fault("boolean-bet-coerced", "REPLY-03", "BET-04")
class BooleanBetCoerced(_Lenient):
    """A bet whose amount is true debits one minor unit."""

    def _number(self, value: object) -> int | None:
        return int(value) if isinstance(value, bool) else None


@fault("free-wins-cut-at-32-bits", "FREE-03")
class FreeWinsCutAt32Bits(Wallet):
    """The win of a free bet keeps its lower 32 bits: bonus money is another service's."""

    def _pay(self, win: Win, account: Account) -> None:
        record = self._store.bet(win.bet_id)
        is_free = record is not None and record.is_free
        super()._pay(replace(win, amount=win.amount % (1 << 32)) if is_free else win, account)


@fault("digits-of-any-script", "BET-04")
class DigitsOfAnyScript(Reader):
    """An amount may be a text of digits other than ASCII's, which Python's int() reads."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        amount = fields.get("amount")
        if isinstance(amount, str) and amount.isdigit() and not amount.isascii():
            return int(amount)
        return super()._amount(fields)


@fault("unlisted-currencies-taken-for-own", "BET-05")
class UnlistedCurrenciesTakenForOwn(Wallet):
    """A currency that the wallet has no rate for counts as the player's own."""

    def _check_bet(self, bet: Bet, account: Account) -> None:
        listed = bet.currency in {"EUR", "USD", "GBP", "JPY"}
        super()._check_bet(bet if listed else replace(bet, currency=account.currency), account)
