"""The transactions of a run as a file, to be replayed after a deploy, a restart or a day."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_provider_contract import __version__
from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.ledger import BetRecord, Fate, WinRecord
from pytest_provider_contract.memory import Keepsake
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.schemas import first_error

# Of every callback anew, or the player's present one.
_RENEWED = ("requestId", "clientSessionId", "timestamp")


class SavedError(ValueError):
    """A file of saved transactions can't be read; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a file of saved transactions holds.

    Attributes:
        saved_at: ISO 8601, UTC.
        operator: Where the transactions were sent.
        keepsakes: The transactions.
    """

    saved_at: str
    operator: str
    keepsakes: tuple[Keepsake, ...]

    @property
    def players(self) -> tuple[str, ...]:
        """Ids of the players whose transactions these are."""
        return tuple(dict.fromkeys(k.player_id for k in self.keepsakes))


def write_saved(path: Path, transactions: Sequence[Mapping[str, Any]], operator: str) -> None:
    """Write a file that only its owner can read; it holds no key, no session and no signature.

    Args:
        path: Where to; an older file is replaced.
        transactions: What `to_json` gave.
        operator: Where they were sent, without credentials.

    Raises:
        OSError: It can't be written.
    """
    content = {
        "made_by": f"pytest-provider-contract {__version__}",
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "operator": operator,
        "transactions": list(transactions),
    }
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2) + "\n")
    fresh.replace(path)


def read_saved(path: Path) -> Saved:
    """Read a file back.

    Raises:
        SavedError: It is no JSON, or not what `write_saved` writes.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SavedError(f"{path} can't be read as JSON: {error}") from None
    if wrong := first_error("saved", data):
        raise SavedError(f"{path} holds no saved transactions: {wrong}")
    return Saved(data["saved_at"], data["operator"], tuple(map(_keepsake, data["transactions"])))


def to_json(keepsakes: Iterable[Keepsake]) -> list[dict[str, Any]]:
    """Keepsakes as plain data."""
    return [
        {
            "outcome": k.outcome,
            "fate": str(k.record.fate),
            "arrived": k.record.content is not None,
            "bet": _fields(k.bet),
            "win": _fields(k.win),
            "rollback": _fields(k.rollback),
            "reported": {
                "bet": k.record.reported,
                "win": k.win_record.reported if k.win_record else None,
                "refund": k.record.refund_reported if k.record.content else k.record.promised_to(k.player_id),
                "rollback": k.rollback_reported,
            },
        }
        for k in keepsakes
    ]


def _fields(callback: Callback | None) -> dict[str, object] | None:
    if callback is None:
        return None
    return {name: value for name, value in callback.fields().items() if name not in _RENEWED}


def _keepsake(data: Mapping[str, Any]) -> Keepsake:
    bet = Callback.from_fields(Kind.BET, data["bet"])
    win = Callback.from_fields(Kind.WIN, data["win"]) if data["win"] else None
    reported = data["reported"]
    unseen = frozenset() if data["arrived"] else frozenset({(bet.player_id, reported["refund"] or 0)})
    return Keepsake(
        data["outcome"],
        bet,
        BetRecord(
            bet.player_id,
            bet.content if data["arrived"] else None,
            bet.amount or 0,
            Fate(data["fate"]),
            bool(bet.is_free),
            reported["bet"],
            reported["refund"] if data["arrived"] else None,
            promised=unseen,
        ),
        win,
        _win_record(win, reported["win"]) if win else None,
        Callback.from_fields(Kind.ROLLBACK, data["rollback"]) if data["rollback"] else None,
        reported["rollback"],
    )


def _win_record(win: Callback, reported: int | None) -> WinRecord:
    reference_id = win.reference_id or ""
    return WinRecord(
        win.player_id, reference_id, win.content, win.amount or 0, credited=True, early=False, reported=reported
    )
