"""The four callbacks as values, and the exact bytes they become."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pytest_provider_contract.profile import Kind


@dataclass(frozen=True, slots=True)
class Callback:
    """One request of the provider, before it becomes bytes.

    Amounts are minor units. Attributes that a kind does not carry are None and are left out
    of the body; the ledger relies on that to tell a rollback (no amount) from a bet.
    """

    kind: Kind
    request_id: str
    player_id: str
    session_id: str = field(repr=False)
    timestamp: str
    transaction_id: str | None = None
    reference_id: str | None = None
    round_id: str | None = None
    game_id: str | None = None
    amount: int | None = None
    currency: str | None = None
    round_closed: bool | None = None
    is_free: bool | None = None
    reward_id: str | None = None

    @property
    def content(self) -> tuple[object, ...]:
        """What must be the same in every replay of the transaction."""
        return (
            self.player_id,
            self.reference_id,
            self.round_id,
            self.game_id,
            self.amount,
            self.currency,
            self.is_free,
            self.reward_id,
        )

    def fields(self) -> dict[str, object]:
        """The body under contract names, without what this kind does not carry."""
        named = {name: getattr(self, attribute) for name, attribute in _NAMES.items()}
        return {name: value for name, value in named.items() if value is not None}

    @classmethod
    def from_fields(cls, kind: Kind, fields: Mapping[str, Any]) -> Callback:
        """A callback read back from what `fields` gave; ids of the request and times may be missing."""
        return cls(kind=kind, **{attribute: fields.get(name) for name, attribute in _NAMES.items()})  # type: ignore[arg-type]


# Contract names, in the order in which they are sent.
_NAMES = {
    "requestId": "request_id",
    "clientPlayerId": "player_id",
    "clientSessionId": "session_id",
    "timestamp": "timestamp",
    "transactionId": "transaction_id",
    "referenceTransactionId": "reference_id",
    "roundId": "round_id",
    "gameId": "game_id",
    "amount": "amount",
    "currency": "currency",
    "roundClosed": "round_closed",
    "isFree": "is_free",
    "rewardUuid": "reward_id",
}


def about(bet: Callback, kind: Kind, *, round_closed: bool = True, **more: Any) -> Callback:
    """A new win or rollback of a bet.

    Args:
        bet: The bet's callback.
        kind: ``WIN`` or ``ROLLBACK``.
        round_closed: Whether nothing more will follow in the bet's round.
        more: Further attributes, such as a win's amount and currency.
    """
    settlement = replace(
        bet,
        kind=kind,
        request_id=new_id(),
        timestamp=now(),
        transaction_id=new_id(),
        reference_id=bet.transaction_id,
        amount=None,
        currency=None,
        round_closed=round_closed,
    )
    return replace(settlement, **more)


def retried(callback: Callback) -> Callback:
    """The same transaction once more: new requestId and timestamp."""
    return replace(callback, request_id=new_id(), timestamp=now())


class Spelling(StrEnum):
    """Ways to write the same JSON object; the signature must hold for each of them [D]."""

    COMPACT = "compact"
    SPACED = "spaced"
    REORDERED = "reordered"
    ESCAPED = "escaped"
    NON_ASCII = "non-ascii"
    NEWLINE = "newline"
    EXTRA_FIELD = "extra-field"
    META = "with-meta"


def new_id() -> str:
    """A fresh UUID in its canonical form."""
    return str(uuid.uuid4())


def now() -> str:
    """The present as the contract spells it: ISO 8601, UTC, milliseconds, ``Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Literal(str):
    """JSON text that goes into a body as it is, also where no value would be written so."""

    __slots__ = ()


def encode(fields: Mapping[str, object], spelling: Spelling = Spelling.COMPACT) -> bytes:
    """The body bytes of a JSON object in one of its spellings, in UTF-8.

    A value that is a `Literal` is put in as it is.
    """
    literals = {name: value for name, value in fields.items() if isinstance(value, Literal)}
    marked = {**fields, **{name: f"@literal {name}@" for name in literals}} if literals else fields
    body = _spelled(marked, spelling)
    for name, text in literals.items():
        body = body.replace(f'"@literal {name}@"'.encode(), text.encode())
    return body


def _spelled(fields: Mapping[str, object], spelling: Spelling) -> bytes:
    match spelling:
        case Spelling.COMPACT:
            return _dumps(fields)
        case Spelling.SPACED:
            return json.dumps(fields, indent=2, separators=(" ,", " : ")).encode()
        case Spelling.REORDERED:
            return _dumps(dict(reversed(list(fields.items()))))
        case Spelling.ESCAPED:
            return _escaped(fields)
        case Spelling.NON_ASCII:
            return json.dumps({**fields, "note": "Žeton für 5 € 🎲"}, ensure_ascii=False).encode()
        case Spelling.NEWLINE:
            return _dumps(fields) + b"\r\n"
        case Spelling.EXTRA_FIELD:
            return _dumps({**fields, "providerNote": {"unknown": [1, None, "x"]}})
        case Spelling.META:
            # Optional on a bet, and some games send it with every one; elsewhere it is one more unknown field.
            return _dumps({**fields, "meta": {"betType": "straight", "selection": ["red", "17"]}})


def _dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _escaped(fields: Mapping[str, object]) -> bytes:
    # Every letter of every string value as \uXXXX; names stay readable.
    def value(v: object) -> str:
        if isinstance(v, str):
            return '"' + "".join(f"\\u{ord(c):04x}" if c.isascii() and c.isalpha() else c for c in v) + '"'
        return json.dumps(v)

    return ("{" + ",".join(f"{json.dumps(name)}:{value(v)}" for name, v in fields.items()) + "}").encode()
