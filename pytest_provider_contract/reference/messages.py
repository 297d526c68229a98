"""What arrives and what is answered: the four callbacks and the reply.

Everything about the form of a message is decided here, once. What comes out of `Reader` can be
trusted: text that any database can store, amounts that fit 64 bits, booleans that are booleans.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from pytest_provider_contract.reference.accounts import MAX_MONEY

SUCCESS = "SUCCESS"
INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE_ERROR"
DUPLICATE_TRANSACTION = "DUPLICATE_TRANSACTION_ERROR"
BONUS = "BONUS_ERROR"
BET_LIMIT_REACHED = "BET_LIMIT_REACHED_ERROR"
UNKNOWN = "UNKNOWN_ERROR"


@dataclass(frozen=True, slots=True)
class Callback:
    """What all four callbacks have in common."""

    request_id: str
    player_id: str
    session_id: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class Balance(Callback):
    """Asks for a player's money."""


@dataclass(frozen=True, slots=True)
class Bet(Callback):
    """Takes a stake.

    Attributes:
        transaction_id: The same in every retry.
        round_id: The game round.
        game_id: The game.
        amount: Minor units, as sent.
        currency: ISO 4217.
        is_free: A free bet, which costs the player nothing.
        reward_id: The granted reward that pays for a free bet.
    """

    transaction_id: str
    round_id: str
    game_id: str
    amount: int
    currency: str
    is_free: bool
    reward_id: str | None

    @property
    def stake(self) -> int:
        """What the bet takes from the balance, and what its rollback gives back."""
        return 0 if self.is_free else self.amount


@dataclass(frozen=True, slots=True)
class Win(Callback):
    """Settles a bet, with an amount of 0 if it was lost.

    Attributes:
        transaction_id: The same in every retry.
        bet_id: The bet's transaction id.
        round_id: The game round.
        game_id: The game.
        amount: Minor units.
        currency: ISO 4217.
        round_closed: No more transactions of the round will follow.
    """

    transaction_id: str
    bet_id: str
    round_id: str
    game_id: str
    amount: int
    currency: str
    round_closed: bool


@dataclass(frozen=True, slots=True)
class Rollback(Callback):
    """Gives a stake back.

    Attributes:
        transaction_id: Another one in every retry, so of no use to recognise a repetition.
        bet_id: The bet's transaction id, the same in every retry.
        round_id: The game round.
        game_id: The game.
        round_closed: No more transactions of the round will follow.
    """

    transaction_id: str
    bet_id: str
    round_id: str
    game_id: str
    round_closed: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a callback.

    Attributes:
        status: ``SUCCESS`` or the reason why nothing was done.
        request_id: Echo of this request's id; empty if the request had none.
        player_id: Echo of the player's id; empty if the request had none.
        currency: The player's currency, where the player is known.
        balance: The player's money, where the player is known.
    """

    status: str
    request_id: str
    player_id: str
    currency: str | None = None
    balance: int | None = None

    def document(self) -> dict[str, Any]:
        """The reply as a JSON object, without what is not known."""
        document: dict[str, Any] = {
            "status": self.status,
            "requestId": self.request_id,
            "clientPlayerId": self.player_id,
        }
        if self.currency is not None:
            document["currency"] = self.currency
        if self.balance is not None:
            document["balance"] = self.balance
        return document


class MalformedError(Exception):
    """A callback is not of the agreed form; the message says why."""


def decode(body: bytes) -> dict[str, Any]:
    """Reads a body as one JSON object.

    A key that occurs twice is refused: two readers of such an object may see two amounts.

    Raises:
        MalformedError: The body is anything else.
    """
    try:
        document = json.loads(body.decode(), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:  # numbers of thousands of digits are ValueErrors too
        raise MalformedError("the body is not JSON") from problem
    if not isinstance(document, dict):
        raise MalformedError("the body is not a JSON object")
    return document


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key occurs twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def echo(document: Mapping[str, Any]) -> tuple[str, str]:
    """The request id and the player id of a callback that may be malformed."""
    request_id, player_id = document.get("requestId"), document.get("clientPlayerId")
    return (
        request_id if isinstance(request_id, str) else "",
        player_id if isinstance(player_id, str) else "",
    )


class Reader:
    """Takes callbacks out of JSON objects, and refuses what is missing or mistyped."""

    def read(self, name: str, fields: Mapping[str, Any]) -> Callback:
        """The callback of that name.

        Raises:
            MalformedError: A field is missing or mistyped.
        """
        return {"balance": self._balance, "bet": self._bet, "win": self._win, "rollback": self._rollback}[name](fields)

    def _balance(self, fields: Mapping[str, Any]) -> Balance:
        return Balance(*self._common(fields))

    def _bet(self, fields: Mapping[str, Any]) -> Bet:
        return Bet(
            *self._common(fields),
            transaction_id=self._text(fields, "transactionId"),
            round_id=self._text(fields, "roundId"),
            game_id=self._text(fields, "gameId"),
            amount=self._amount(fields),
            currency=self._text(fields, "currency"),
            is_free=self._optional_flag(fields, "isFree"),
            reward_id=self._optional_text(fields, "rewardUuid"),
        )

    def _win(self, fields: Mapping[str, Any]) -> Win:
        self._optional_flag(fields, "isFree")
        self._optional_text(fields, "rewardUuid")
        return Win(
            *self._common(fields),
            transaction_id=self._text(fields, "transactionId"),
            bet_id=self._text(fields, "referenceTransactionId"),
            round_id=self._text(fields, "roundId"),
            game_id=self._text(fields, "gameId"),
            amount=self._amount(fields),
            currency=self._text(fields, "currency"),
            round_closed=self._flag(fields, "roundClosed"),
        )

    def _rollback(self, fields: Mapping[str, Any]) -> Rollback:
        self._optional_flag(fields, "isFree")
        self._optional_text(fields, "rewardUuid")
        return Rollback(
            *self._common(fields),
            transaction_id=self._text(fields, "transactionId"),
            bet_id=self._text(fields, "referenceTransactionId"),
            round_id=self._text(fields, "roundId"),
            game_id=self._text(fields, "gameId"),
            round_closed=self._flag(fields, "roundClosed"),
        )

    def _common(self, fields: Mapping[str, Any]) -> tuple[str, str, str, str]:
        return (
            self._text(fields, "requestId"),
            self._text(fields, "clientPlayerId"),
            self._text(fields, "clientSessionId"),
            self._text(fields, "timestamp"),
        )

    def _text(self, fields: Mapping[str, Any], name: str) -> str:
        """A string that is not empty and that any database stores unchanged."""
        value = fields.get(name)
        if not isinstance(value, str) or not value:
            raise MalformedError(f"{name} is not a text")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as problem:
                raise MalformedError(f"{name} has half a surrogate pair") from problem
        if "\0" in value:
            raise MalformedError(f"{name} has a NUL character")
        return value

    def _optional_text(self, fields: Mapping[str, Any], name: str) -> str | None:
        return None if fields.get(name) is None else self._text(fields, name)

    def _amount(self, fields: Mapping[str, Any]) -> int:
        """A whole number that fits 64 bits. To Python a bool is an int, to JSON it is not."""
        value = fields.get("amount")
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_MONEY:
            raise MalformedError(f"amount is not a whole number from 0 to {MAX_MONEY}")
        return value

    def _flag(self, fields: Mapping[str, Any], name: str) -> bool:
        value = fields.get(name)
        if not isinstance(value, bool):
            raise MalformedError(f"{name} is not a boolean")
        return value

    def _optional_flag(self, fields: Mapping[str, Any], name: str) -> bool:
        return False if fields.get(name) is None else self._flag(fields, name)
