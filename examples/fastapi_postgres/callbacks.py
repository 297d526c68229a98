"""What the provider says: bytes in, one of four small objects out.

A callback is read whole or not at all. Anything that is not as documented raises MalformedError, with two
exceptions: a bet's amount and currency may be nonsense, because a bet that names itself can be declined
properly and remembered, so that its rollback and its replays are understood later.
"""

import json
import re
from dataclasses import dataclass
from typing import ClassVar, NoReturn, Self

JsonObject = dict[str, object]

MAX_TEXT = 200
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL's text has neither NUL nor lone surrogates


class MalformedError(Exception):
    """The body is not the documented callback."""


def read_json(body: bytes) -> JsonObject:
    try:
        payload = json.loads(body.decode(), parse_constant=_no_such_number)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not JSON: {type(error).__name__}") from error
    if not isinstance(payload, dict):
        raise MalformedError("not a JSON object")
    return payload


def _no_such_number(name: str) -> NoReturn:
    raise MalformedError(f"{name} is not JSON")


def _is_storable(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and not _NOT_STORABLE.search(value)


def _text(payload: JsonObject, name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not _is_storable(value):
        raise MalformedError(name)
    return value


def _flag(payload: JsonObject, name: str) -> bool:
    value = payload.get(name)
    if not isinstance(value, bool):
        raise MalformedError(name)
    return value


def _optional_text(payload: JsonObject, name: str) -> str | None:
    value = payload.get(name)
    return value if isinstance(value, str) and _is_storable(value) else None


def _optional_amount(payload: JsonObject) -> int | None:
    value = payload.get("amount")
    is_amount = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_amount else None  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceInquiry:
    kind: ClassVar[str] = "balance"

    request_id: str
    player_id: str
    session_id: str

    @classmethod
    def read(cls, payload: JsonObject) -> Self:
        _text(payload, "timestamp")
        return cls(
            request_id=_text(payload, "requestId"),
            player_id=_text(payload, "clientPlayerId"),
            session_id=_text(payload, "clientSessionId"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bet:
    kind: ClassVar[str] = "bet"

    request_id: str
    player_id: str
    session_id: str
    transaction_id: str
    round_id: str
    game_id: str
    amount: int | None
    currency: str | None
    is_free: bool
    reward_id: str | None

    @property
    def bet_id(self) -> str:
        return self.transaction_id

    @property
    def content(self) -> str:
        """What makes a repeated transactionId the same transaction again."""
        money = (self.amount, self.currency, self.is_free, self.reward_id)
        return json.dumps([self.kind, self.player_id, self.round_id, self.game_id, *money])

    @classmethod
    def read(cls, payload: JsonObject) -> Self:
        _text(payload, "timestamp")
        is_free = payload.get("isFree") is not None and _flag(payload, "isFree")
        return cls(
            request_id=_text(payload, "requestId"),
            player_id=_text(payload, "clientPlayerId"),
            session_id=_text(payload, "clientSessionId"),
            transaction_id=_text(payload, "transactionId"),
            round_id=_text(payload, "roundId"),
            game_id=_text(payload, "gameId"),
            amount=_optional_amount(payload),
            currency=_optional_text(payload, "currency"),
            is_free=is_free,
            reward_id=_optional_text(payload, "rewardUuid") if is_free else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Win:
    kind: ClassVar[str] = "win"

    request_id: str
    player_id: str
    transaction_id: str
    bet_id: str
    round_id: str
    game_id: str
    amount: int
    currency: str

    @property
    def content(self) -> str:
        money = (self.amount, self.currency)
        return json.dumps([self.kind, self.player_id, self.bet_id, self.round_id, self.game_id, *money])

    @classmethod
    def read(cls, payload: JsonObject) -> Self:
        _text(payload, "timestamp")
        _text(payload, "clientSessionId")
        _flag(payload, "roundClosed")
        amount = _optional_amount(payload)
        if amount is None:
            raise MalformedError("amount")
        return cls(
            request_id=_text(payload, "requestId"),
            player_id=_text(payload, "clientPlayerId"),
            transaction_id=_text(payload, "transactionId"),
            bet_id=_text(payload, "referenceTransactionId"),
            round_id=_text(payload, "roundId"),
            game_id=_text(payload, "gameId"),
            amount=amount,
            currency=_text(payload, "currency"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    kind: ClassVar[str] = "rollback"

    request_id: str
    player_id: str
    transaction_id: str
    bet_id: str

    @property
    def content(self) -> str:
        return json.dumps([self.kind, self.player_id, self.bet_id])

    @classmethod
    def read(cls, payload: JsonObject) -> Self:
        for name in ("timestamp", "clientSessionId", "roundId", "gameId"):
            _text(payload, name)
        _flag(payload, "roundClosed")
        return cls(
            request_id=_text(payload, "requestId"),
            player_id=_text(payload, "clientPlayerId"),
            transaction_id=_text(payload, "transactionId"),
            bet_id=_text(payload, "referenceTransactionId"),
        )


Callback = BalanceInquiry | Bet | Win | Rollback
