"""An operator's own limits, and operators that look more closely or are less quick."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.gateway import Gateway, Request, Response
from pytest_provider_contract.reference.messages import (
    BET_LIMIT_REACHED,
    BONUS,
    UNKNOWN,
    Bet,
    Callback,
    MalformedError,
    Reader,
    Reply,
    Rollback,
    Win,
)
from pytest_provider_contract.reference.store import BetRecord, Store
from pytest_provider_contract.reference.variants import conforming
from pytest_provider_contract.reference.wallet import DeclinedError, Wallet


@conforming("bet-limit-500")
class BetLimit500(Wallet):
    """A bet of more than 500 minor units gets BET_LIMIT_REACHED_ERROR, if there is money for it."""

    def _check_funds(self, bet: Bet, account: Account) -> None:
        super()._check_funds(bet, account)
        if bet.stake > 500:
            raise DeclinedError(BET_LIMIT_REACHED)


class _SmallPurse(Store):
    def open_account(self, account: Account) -> None:
        super().open_account(replace(account, balance=min(account.balance, 500)))


@conforming("little-money")
class LittleMoney(Wallet):
    """No player begins with more than 500 minor units."""

    store_class = _SmallPurse


@conforming("every-tenth-bet-declined")
class EveryTenthBetDeclined(Wallet):
    """Every tenth bet is declined with UNKNOWN_ERROR, for reasons of the operator's own."""

    _count: ClassVar[Iterator[int]] = itertools.count(1)

    def _check_bet(self, bet: Bet, account: Account) -> None:
        super()._check_bet(bet, account)
        if next(self._count) % 10 == 0:
            raise DeclinedError(UNKNOWN)


@conforming("every-third-bet-above-limit")
class EveryThirdBetAboveLimit(Wallet):
    """Every third bet gets BET_LIMIT_REACHED_ERROR, as with limits of a day or an hour."""

    _count: ClassVar[Iterator[int]] = itertools.count(1)

    def _check_funds(self, bet: Bet, account: Account) -> None:
        super()._check_funds(bet, account)
        if next(self._count) % 3 == 0:
            raise DeclinedError(BET_LIMIT_REACHED)


@conforming("busy-bets-declined")
class BusyBetsDeclined(Wallet):
    """A new bet that comes while another is carried out gets UNKNOWN_ERROR instead of waiting for it."""

    _one: ClassVar = threading.Lock()

    def answer(self, callback: Callback) -> Reply:
        """Carries one callback out; a new bet only if no other is."""
        if not isinstance(callback, Bet) or self._store.bet(callback.transaction_id) is not None:
            return super().answer(callback)
        if not self._one.acquire(blocking=False):
            return self.refuse(callback.request_id, callback.player_id)
        try:
            time.sleep(0.002)
            return super().answer(callback)
        finally:
            self._one.release()


@conforming("bets-need-their-session")
class BetsNeedTheirSession(Wallet):
    """A bet from another session than the player's is declined; wins and rollbacks are not."""

    def _check_bet(self, bet: Bet, account: Account) -> None:
        if bet.session_id != account.session_id:
            raise DeclinedError(UNKNOWN)
        super()._check_bet(bet, account)


@conforming("strict-ids")
class StrictIds(Reader):
    """Ids that should be UUIDs must be."""

    _uuids: ClassVar = {"requestId", "transactionId", "referenceTransactionId", "roundId", "gameId", "rewardUuid"}
    _form: ClassVar = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

    def _text(self, fields: Mapping[str, Any], name: str) -> str:
        text = super()._text(fields, name)
        if name in self._uuids and not self._form.fullmatch(text):
            raise MalformedError(f"{name} is not a UUID")
        return text


@conforming("ids-in-any-letter-case")
class IdsInAnyLetterCase(Reader):
    """Ids are compared as UUIDs, for which upper and lower case are the same."""

    _uuids: ClassVar = {"transactionId", "referenceTransactionId", "roundId", "gameId", "rewardUuid"}

    def _text(self, fields: Mapping[str, Any], name: str) -> str:
        text = super()._text(fields, name)
        return text.lower() if name in self._uuids else text


@conforming("strict-timestamps")
class StrictTimestamps(Reader):
    """A timestamp must be of the agreed form and within five minutes of now."""

    def read(self, name: str, fields: Mapping[str, Any]) -> Callback:
        """The callback, if it is of today."""
        callback = super().read(name, fields)
        try:
            sent = datetime.strptime(callback.timestamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        except ValueError as problem:
            raise MalformedError("timestamp is not ISO 8601 in UTC") from problem
        if len(callback.timestamp) != len("2026-11-23T09:00:00.000Z") or abs(datetime.now(UTC) - sent) > self._drift:
            raise MalformedError("timestamp has no milliseconds or is not of now")
        return callback

    _drift: ClassVar = timedelta(minutes=5)


@conforming("replies-after-300ms")
class RepliesAfter300ms(Gateway):
    """Every reply takes 300 ms."""

    seconds: ClassVar[float] = 0.3

    def respond(self, request: Request) -> Response:
        """Answers one callback, in a while."""
        time.sleep(self.seconds)
        return super().respond(request)


@conforming("replies-after-200ms")
class RepliesAfter200ms(RepliesAfter300ms):
    """Every reply takes 200 ms."""

    seconds = 0.2


@conforming("replies-after-30ms")
class RepliesAfter30ms(RepliesAfter300ms):
    """Every reply takes 30 ms, as over the internet."""

    seconds = 0.03


@conforming("one-callback-at-a-time")
class OneCallbackAtATime(Gateway):
    """Callbacks are carried out one after the other, each in 5 ms."""

    _one = threading.Lock()

    def respond(self, request: Request) -> Response:
        """Answers one callback when it is its turn."""
        with self._one:
            time.sleep(0.005)
            return super().respond(request)


@conforming("least-bet-100")
class LeastBet100(Wallet):
    """A bet of less than 100 minor units gets BET_LIMIT_REACHED_ERROR, unless it is free or of amount 0."""

    def _check_funds(self, bet: Bet, account: Account) -> None:
        super()._check_funds(bet, account)
        if 0 < bet.stake < 100:
            raise DeclinedError(BET_LIMIT_REACHED)


@conforming("bets-in-closed-rounds-declined")
class BetsInClosedRoundsDeclined(Wallet):
    """A new bet in a round that a win or rollback has closed is declined; wins and rollbacks are not."""

    _closed: ClassVar[set[str]] = set()

    def _carry_out(self, callback: Callback, account: Account) -> None:
        super()._carry_out(callback, account)
        if isinstance(callback, Win | Rollback) and callback.round_closed:
            self._closed.add(callback.round_id)

    def _check_bet(self, bet: Bet, account: Account) -> None:
        super()._check_bet(bet, account)
        if bet.round_id in self._closed:
            raise DeclinedError(UNKNOWN)


@conforming("rounds-compared")
class RoundsCompared(Wallet):
    """A win or a rollback of another round or game than its bet's is refused."""

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        super()._check_won_bet(win, record)
        if record is not None and (win.round_id, win.game_id) != (record.round_id, record.game_id):
            raise DeclinedError(UNKNOWN)

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if (rollback.round_id, rollback.game_id) != (record.round_id, record.game_id):
            raise DeclinedError(UNKNOWN)
        super()._refund(rollback, record, account)


@conforming("reward-for-five-bets")
class RewardForFiveBets(Wallet):
    """A reward pays for five free bets; further ones get BONUS_ERROR."""

    _used: ClassVar[list[str]] = []

    def _check_bet(self, bet: Bet, account: Account) -> None:
        super()._check_bet(bet, account)
        if bet.is_free and len(self._used) >= 5:
            raise DeclinedError(BONUS)

    def _place(self, bet: Bet, account: Account) -> None:
        super()._place(bet, account)
        if bet.is_free:
            self._used.append(bet.transaction_id)


@conforming("strict-uuid-4")
class StrictUuid4(StrictIds):
    """Ids that should be UUIDs must be of version 4, in lower case."""

    _form: ClassVar = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@conforming("missing-amount-counts-as-0")
class MissingAmountCountsAs0(Reader):
    """A bet or win without an amount, or with null, is taken for one of amount 0, which moves nothing."""

    def _amount(self, fields: Mapping[str, Any]) -> int:
        return 0 if fields.get("amount") is None else super()._amount(fields)


@conforming("first-callback-takes-3-seconds")
class FirstCallbackTakes3Seconds(Gateway):
    """The first callback finds a cold system and takes three seconds."""

    _seconds: ClassVar[list[float]] = [3]

    def respond(self, request: Request) -> Response:
        """Answers one callback."""
        if self._seconds:
            time.sleep(self._seconds.pop())
        return super().respond(request)


@conforming("ids-of-any-type")
class IdsOfAnyType(Reader):
    """Whatever JSON there is in place of a transaction's id is one."""

    _ids: ClassVar = {"transactionId", "referenceTransactionId"}

    def _text(self, fields: Mapping[str, Any], name: str) -> str:
        if name in self._ids and fields.get(name) not in (None, ""):
            return json.dumps(fields[name])
        return super()._text(fields, name)
