"""An operator's own limits, and operators that look more closely or are less quick."""

from __future__ import annotations

import itertools
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
    UNKNOWN,
    Bet,
    Callback,
    MalformedError,
    Reader,
)
from pytest_provider_contract.reference.store import Store
from pytest_provider_contract.reference.variants import conforming
from pytest_provider_contract.reference.wallet import DeclinedError, Wallet


@conforming("bet-limit-500")
class BetLimit500(Wallet):
    """A bet of more than 500 minor units gets BET_LIMIT_REACHED_ERROR, if there is money for it."""

    def _check_funds(self, bet: Bet, account: Account) -> None:
        super()._check_funds(bet, account)
        if bet.stake > 500:  # noqa: PLR2004
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
