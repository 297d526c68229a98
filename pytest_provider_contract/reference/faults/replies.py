"""Replies with a wrong word, a field that is missing, mistyped or of yesterday, or a lie in them."""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.faults.lax import LaxWallet
from pytest_provider_contract.reference.gateway import Gateway, Request
from pytest_provider_contract.reference.messages import (
    BONUS,
    DUPLICATE_TRANSACTION,
    INSUFFICIENT_BALANCE,
    SUCCESS,
    UNKNOWN,
    Balance,
    Bet,
    Callback,
    Reply,
    Rollback,
    Win,
)
from pytest_provider_contract.reference.store import BetRecord
from pytest_provider_contract.reference.variants import fault
from pytest_provider_contract.reference.wallet import Wallet

# -- the status ---------------------------------------------------------------------------------


class _Misspelt(Gateway):
    """Spells a status in another way."""

    spelling: ClassVar[Mapping[str, str]]

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        return super()._document(request, replace(reply, status=self.spelling.get(reply.status, reply.status)))


@fault("success-in-lower-case", "REPLY-07", "SEQ-01")
class SuccessInLowerCase(_Misspelt):
    """The status of success is spelt success."""

    spelling: ClassVar = {SUCCESS: "success"}


@fault("success-called-ok", "REPLY-07", "SEQ-01")
class SuccessCalledOk(_Misspelt):
    """The status of success is called OK."""

    spelling: ClassVar = {SUCCESS: "OK"}


@fault("insufficient-called-insufficient-funds", "REPLY-07", "BET-03", "SEQ-01")
class InsufficientCalledInsufficientFunds(_Misspelt):
    """A bet above the balance gets INSUFFICIENT_FUNDS."""

    spelling: ClassVar = {INSUFFICIENT_BALANCE: "INSUFFICIENT_FUNDS"}


@fault("insufficient-called-bet-limit-reached", "REPLY-07", "BET-03", "SEQ-01")
class InsufficientCalledBetLimitReached(_Misspelt):
    """A bet above the balance gets BET_LIMIT_REACHED, which lacks its _ERROR."""

    spelling: ClassVar = {INSUFFICIENT_BALANCE: "BET_LIMIT_REACHED"}


@fault("duplicate-called-transaction-exists", "REPLY-07", "SEQ-01")
class DuplicateCalledTransactionExists(_Misspelt):
    """A duplicate transaction gets TRANSACTION_ALREADY_EXISTS."""

    spelling: ClassVar = {DUPLICATE_TRANSACTION: "TRANSACTION_ALREADY_EXISTS"}


@fault("unknown-called-round-closed", "REPLY-07", "SEQ-01")
class UnknownCalledRoundClosed(_Misspelt):
    """What should be UNKNOWN_ERROR is ROUND_CLOSED."""

    spelling: ClassVar = {UNKNOWN: "ROUND_CLOSED"}


@fault("bonus-error-called-bonus", "REPLY-07", "FREE-02")
class BonusErrorCalledBonus(_Misspelt):
    """A free bet with an unknown reward gets BONUS, which lacks its _ERROR."""

    spelling: ClassVar = {BONUS: "BONUS"}


@fault("refused-win-gets-insufficient-balance", "REPLY-08")
class RefusedWinGetsInsufficientBalance(Gateway):
    """A win that is refused gets INSUFFICIENT_BALANCE_ERROR, which is a bet's status."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        if request.name == "win" and reply.status == UNKNOWN:
            reply = replace(reply, status=INSUFFICIENT_BALANCE)
        return super()._document(request, reply)


# -- the echoes ---------------------------------------------------------------------------------


@fault("replay-echoes-first-request-id", "REPLY-06", "IDEM-01", "IDEM-02")
class ReplayEchoesFirstRequestId(Wallet):
    """A retry is answered with the requestId of the first attempt."""

    _first: ClassVar[dict[tuple[type[Callback], str], str]] = {}

    def _success(self, callback: Callback, account: Account) -> Reply:
        reply = super()._success(callback, account)
        if isinstance(callback, Bet | Win):
            first = self._first.setdefault((type(callback), callback.transaction_id), callback.request_id)
            reply = replace(reply, request_id=first)
        return reply


@fault("request-id-of-its-own", "REPLY-06")
class RequestIdOfItsOwn(Gateway):
    """A reply has a new requestId of its own."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        return super()._document(request, reply) | {"requestId": str(uuid.uuid4())}


@fault("request-id-in-upper-case", "REPLY-06")
class RequestIdInUpperCase(Gateway):
    """A reply has the requestId in upper case."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        return super()._document(request, replace(reply, request_id=reply.request_id.upper()))


@fault("transaction-id-for-request-id", "REPLY-06")
class TransactionIdForRequestId(Wallet):
    """A reply to a bet has the bet's transactionId for its requestId."""

    def _success(self, callback: Callback, account: Account) -> Reply:
        reply = super()._success(callback, account)
        return replace(reply, request_id=callback.transaction_id) if isinstance(callback, Bet) else reply


@fault("session-id-for-player-id", "REPLY-06")
class SessionIdForPlayerId(Wallet):
    """A reply has the clientSessionId for its clientPlayerId."""

    def _success(self, callback: Callback, account: Account) -> Reply:
        return replace(super()._success(callback, account), player_id=callback.session_id)


# -- the fields ---------------------------------------------------------------------------------


class _Without(Gateway):
    """Leaves a field out of some replies."""

    field: ClassVar[str]
    of: ClassVar[tuple[str, ...]] = ("balance", "bet", "win", "rollback")

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        document = super()._document(request, reply)
        if request.name in self.of and self._is_left_out(reply):
            document.pop(self.field, None)
        return document

    def _is_left_out(self, reply: Reply) -> bool:
        return reply.status == SUCCESS


@fault("reply-without-request-id", "REPLY-05", "REPLY-06")
class ReplyWithoutRequestId(_Without):
    """A reply lacks requestId."""

    field = "requestId"


@fault("error-without-request-id", "REPLY-05", "REPLY-06")
class ErrorWithoutRequestId(_Without):
    """An error reply lacks requestId."""

    field = "requestId"

    def _is_left_out(self, reply: Reply) -> bool:
        return reply.status != SUCCESS


@fault("error-without-player-id", "REPLY-05", "REPLY-06")
class ErrorWithoutPlayerId(_Without):
    """An error reply lacks clientPlayerId."""

    field = "clientPlayerId"

    def _is_left_out(self, reply: Reply) -> bool:
        return reply.status != SUCCESS


@fault("reply-without-currency", "REPLY-05")
class ReplyWithoutCurrency(_Without):
    """A reply lacks currency."""

    field = "currency"


@fault("rollback-reply-without-balance", "REPLY-05")
class RollbackReplyWithoutBalance(_Without):
    """A reply to a rollback lacks balance."""

    field, of = "balance", ("rollback",)


@fault("win-reply-without-balance", "REPLY-05")
class WinReplyWithoutBalance(_Without):
    """A reply to a win lacks balance."""

    field, of = "balance", ("win",)


@fault("error-flag-for-status", "REPLY-05", "REPLY-07")
class ErrorFlagForStatus(Gateway):
    """An error reply has the key error where it should have status."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        document = super()._document(request, reply)
        if reply.status != SUCCESS:
            document["error"] = document.pop("status")
        return document


class _BalanceAs(Gateway, ABC):
    """Writes the balance in another way."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        document = super()._document(request, reply)
        if reply.balance is not None:
            document["balance"] = self._written(reply.balance)
        return document

    @abstractmethod
    def _written(self, balance: int) -> Any:
        """What is written in its place."""


@fault("balance-as-string", "REPLY-05")
class BalanceAsString(_BalanceAs):
    """The balance is a string of digits."""

    def _written(self, balance: int) -> str:
        return str(balance)


@fault("balance-as-float", "REPLY-05")
class BalanceAsFloat(_BalanceAs):
    """The balance is a number with a decimal point."""

    def _written(self, balance: int) -> float:
        return float(balance)


@fault("balance-as-decimal-string", "REPLY-05")
class BalanceAsDecimalString(_BalanceAs):
    """The balance is a string in major units, such as "100.00"."""

    def _written(self, balance: int) -> str:
        return f"{balance // 100}.{balance % 100:02}"


@fault("balance-in-major-units", "AMOUNT-02", "BET-01", "SEQ-01")
class BalanceInMajorUnits(_BalanceAs):
    """The balance is in major units, the minor ones cut off."""

    def _written(self, balance: int) -> int:
        return balance // 100


@fault("balance-null-in-errors", "REPLY-09", "REPLY-05")
class BalanceNullInErrors(Gateway):
    """Error replies have a balance that is null."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        document = super()._document(request, reply)
        return document if reply.status == SUCCESS else document | {"balance": None}


class _CurrencyAs(Gateway, ABC):
    """Writes the currency in another way."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        written = None if reply.currency is None else self._written(reply.currency)
        return super()._document(request, replace(reply, currency=written))

    @abstractmethod
    def _written(self, currency: str) -> str:
        """What is written in its place."""


@fault("currency-is-another", "BALANCE-04")
class CurrencyIsAnother(_CurrencyAs):
    """Replies are in a currency that is not the player's."""

    def _written(self, currency: str) -> str:
        return "USD" if currency != "USD" else "EUR"


@fault("currency-in-lower-case", "BALANCE-04", "REPLY-05")
class CurrencyInLowerCase(_CurrencyAs):
    """Replies have the currency in lower case."""

    def _written(self, currency: str) -> str:
        return currency.lower()


@fault("currency-empty-on-wins", "BALANCE-04", "REPLY-05")
class CurrencyEmptyOnWins(Gateway):
    """Replies to wins have an empty currency."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        document = super()._document(request, reply)
        return document | {"currency": ""} if request.name == "win" and reply.status == SUCCESS else document


# -- lies about the balance ---------------------------------------------------------------------


class _BalanceBefore(Wallet):
    """Reports the balance as it was before the money moved."""

    kind: ClassVar[type[Callback]]

    def _success(self, callback: Callback, account: Account) -> Reply:
        reply = super()._success(callback, account)
        return replace(reply, balance=account.balance) if isinstance(callback, self.kind) else reply


@fault("bet-reports-balance-before", "BET-01", "SEQ-01")
class BetReportsBalanceBefore(_BalanceBefore):
    """The reply to a bet has the balance before the debit."""

    kind = Bet


@fault("win-reports-balance-before", "WIN-01", "SEQ-01")
class WinReportsBalanceBefore(_BalanceBefore):
    """The reply to a win has the balance before the credit."""

    kind = Win


@fault("rollback-reports-balance-before", "ROLLBACK-01", "SEQ-01")
class RollbackReportsBalanceBefore(_BalanceBefore):
    """The reply to a rollback has the balance before the refund."""

    kind = Rollback


@fault("bet-replay-reports-second-debit", "IDEM-01", "SEQ-01")
class BetReplayReportsSecondDebit(Wallet):
    """A retry of a bet moves nothing, but is answered with a balance as if it had been debited again."""

    _repeated: ClassVar[set[str]] = set()

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        super()._repeated_bet(bet, record, account)
        self._repeated.add(bet.request_id)

    def _success(self, callback: Callback, account: Account) -> Reply:
        reply = super()._success(callback, account)
        if isinstance(callback, Bet) and callback.request_id in self._repeated:
            reply = replace(reply, balance=account.balance - callback.stake)
        return reply


@fault("error-reports-balance-0", "BET-03", "SEQ-01")
class ErrorReportsBalance0(Wallet):
    """An error reply has a balance of 0."""

    def _declined(self, callback: Callback, account: Account | None, status: str) -> Reply:
        reply = super()._declined(callback, account, status)
        return reply if account is None else replace(reply, balance=0)


@fault("declined-bet-reports-debit", "BET-03", "SEQ-01")
class DeclinedBetReportsDebit(Wallet):
    """A bet above the balance is declined with the balance that it would have left, below zero."""

    def _declined(self, callback: Callback, account: Account | None, status: str) -> Reply:
        reply = super()._declined(callback, account, status)
        if isinstance(callback, Bet) and account is not None and status == INSUFFICIENT_BALANCE:
            reply = replace(reply, balance=account.balance - callback.stake)
        return reply


@fault("balance-cached-for-1-second", "BALANCE-02", "BALANCE-01", "BET-01", "SEQ-01")
class BalanceCachedFor1Second(Wallet):
    """Balance answers from a cache that is up to one second old."""

    _cache: ClassVar[dict[str, tuple[float, int]]] = {}

    def _success(self, callback: Callback, account: Account) -> Reply:
        reply = super()._success(callback, account)
        if not isinstance(callback, Balance):
            return reply
        since, balance = self._cache.get(account.player_id, (0.0, 0))
        if time.monotonic() - since > 1:
            balance = account.balance
            self._cache[account.player_id] = (time.monotonic(), balance)
        return replace(reply, balance=balance)


@fault("balance-cached-until-next-bet", "BALANCE-02", "BET-01", "SEQ-01")
class BalanceCachedUntilNextBet(Wallet):
    """Balance answers from a cache that only a bet refreshes, so wins and refunds are not seen."""

    _cache: ClassVar[dict[str, int]] = {}

    def _success(self, callback: Callback, account: Account) -> Reply:
        reply = super()._success(callback, account)
        if isinstance(callback, Bet):
            self._cache.pop(account.player_id, None)
        if isinstance(callback, Balance):
            reply = replace(reply, balance=self._cache.setdefault(account.player_id, account.balance))
        return reply


@fault("balance-from-lagging-replica", "BALANCE-02", "BET-01", "SEQ-01")
class BalanceFromLaggingReplica(LaxWallet):
    """Balance is read from a replica that lags 200 ms behind."""

    _past: ClassVar[dict[str, list[tuple[float, int]]]] = {}

    def _success(self, callback: Callback, account: Account) -> Reply:
        reply = super()._success(callback, account)
        past = self._past.setdefault(account.player_id, [(0.0, account.balance)])
        if isinstance(callback, Balance):
            seen = [balance for since, balance in past if since < time.monotonic() - 0.2]
            return replace(reply, balance=seen[-1])
        past.append((time.monotonic(), reply.balance or 0))
        return reply
