"""What the wallet remembers, in SQLite.

The money and the memory of what moved it are in one database, so that one transaction holds
both. The file survives a ``kill -9`` at any moment: SQLite rolls back whatever was not committed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.messages import Bet, Win

OPEN = "open"
SETTLED = "settled"
ROLLED_BACK = "rolled back"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS players (
    player_id  TEXT    NOT NULL PRIMARY KEY,
    session_id TEXT    NOT NULL,
    currency   TEXT    NOT NULL,
    balance    INTEGER NOT NULL CHECK (typeof(balance) = 'integer' AND balance >= 0)
);
CREATE TABLE IF NOT EXISTS bets (
    transaction_id TEXT    NOT NULL PRIMARY KEY,
    player_id      TEXT    NOT NULL,
    round_id       TEXT    NOT NULL,
    game_id        TEXT    NOT NULL,
    amount         INTEGER NOT NULL,
    currency       TEXT    NOT NULL,
    is_free        INTEGER NOT NULL,
    reward_id      TEXT,
    state          TEXT    NOT NULL
);
CREATE TABLE IF NOT EXISTS wins (
    transaction_id TEXT    NOT NULL PRIMARY KEY,
    player_id      TEXT    NOT NULL,
    bet_id         TEXT    NOT NULL,
    round_id       TEXT    NOT NULL,
    game_id        TEXT    NOT NULL,
    amount         INTEGER NOT NULL,
    currency       TEXT    NOT NULL
);
-- Bets that were rolled back before they arrived.
CREATE TABLE IF NOT EXISTS tombstones (
    bet_id    TEXT NOT NULL,
    player_id TEXT NOT NULL,
    PRIMARY KEY (bet_id, player_id)
);
"""


@dataclass(frozen=True, slots=True)
class BetRecord:
    """A bet that was accepted, and what became of it."""

    transaction_id: str
    player_id: str
    round_id: str
    game_id: str
    amount: int
    currency: str
    is_free: bool
    reward_id: str | None
    state: str

    @property
    def stake(self) -> int:
        """What the bet took from the balance."""
        return 0 if self.is_free else self.amount

    def repeats(self, bet: Bet) -> bool:
        """Whether the callback says the same as this record."""
        return (
            bet.player_id == self.player_id
            and bet.round_id == self.round_id
            and bet.game_id == self.game_id
            and bet.amount == self.amount
            and bet.currency == self.currency
            and bet.is_free == self.is_free
            and bet.reward_id == self.reward_id
        )


@dataclass(frozen=True, slots=True)
class WinRecord:
    """A win that was credited."""

    transaction_id: str
    player_id: str
    bet_id: str
    round_id: str
    game_id: str
    amount: int
    currency: str

    def repeats(self, win: Win) -> bool:
        """Whether the callback says the same as this record.

        ``roundClosed`` is left out: it says something about the round, not about this win, and
        may well be another when a settlement is pushed again.
        """
        return (
            win.player_id == self.player_id
            and win.bet_id == self.bet_id
            and win.round_id == self.round_id
            and win.game_id == self.game_id
            and win.amount == self.amount
            and win.currency == self.currency
        )


class Store:
    """The database, with one connection for each thread that uses it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._turn = threading.Lock()
        self.connection.executescript(_SCHEMA)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection. Outside of `transaction` each statement commits by itself."""
        try:
            connection: sqlite3.Connection = self._local.connection
        except AttributeError:
            connection = self._local.connection = self._connect()
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        # With a write-ahead log NORMAL keeps every commit through the death of the process, and
        # saves an fsync each. A power cut may take the last commits with it: for real money use FULL.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens, or nothing; and nothing of another writer happens in between.

        IMMEDIATE takes SQLite's write lock before the first read, so what was read is still true
        when it is acted upon. The threads queue at a lock of their own, only because SQLite polls
        for its lock and would let them wait longer than needed.
        """
        connection = self.connection
        with self._turn:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def open_account(self, account: Account) -> None:
        """Adds a player; one who is already known keeps session, currency and balance."""
        self.connection.execute(
            "INSERT OR IGNORE INTO players VALUES (?, ?, ?, ?)",
            (account.player_id, account.session_id, account.currency, account.balance),
        )

    def account(self, player_id: str) -> Account | None:
        """The player as of now."""
        row = self.connection.execute("SELECT * FROM players WHERE player_id = ?", (player_id,)).fetchone()
        return None if row is None else Account(*row)

    def move(self, player_id: str, delta: int) -> None:
        """Adds to a balance, or takes from it."""
        self.connection.execute("UPDATE players SET balance = balance + ? WHERE player_id = ?", (delta, player_id))

    def bet(self, transaction_id: str) -> BetRecord | None:
        """The accepted bet of that id."""
        row = self.connection.execute("SELECT * FROM bets WHERE transaction_id = ?", (transaction_id,)).fetchone()
        return None if row is None else _bet_record(row)

    def win(self, transaction_id: str) -> WinRecord | None:
        """The credited win of that id."""
        row = self.connection.execute("SELECT * FROM wins WHERE transaction_id = ?", (transaction_id,)).fetchone()
        return None if row is None else WinRecord(*row)

    def add_bet(self, bet: Bet) -> None:
        """Remembers an accepted bet."""
        self.connection.execute(
            "INSERT INTO bets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                bet.transaction_id,
                bet.player_id,
                bet.round_id,
                bet.game_id,
                bet.amount,
                bet.currency,
                bet.is_free,
                bet.reward_id,
                OPEN,
            ),
        )

    def add_win(self, win: Win) -> None:
        """Remembers a credited win."""
        self.connection.execute(
            "INSERT INTO wins VALUES (?, ?, ?, ?, ?, ?, ?)",
            (win.transaction_id, win.player_id, win.bet_id, win.round_id, win.game_id, win.amount, win.currency),
        )

    def mark(self, bet_id: str, state: str) -> None:
        """Remembers what became of a bet."""
        self.connection.execute("UPDATE bets SET state = ? WHERE transaction_id = ?", (state, bet_id))

    def bury(self, bet_id: str, player_id: str) -> None:
        """Remembers that a bet was rolled back before it arrived."""
        self.connection.execute("INSERT OR IGNORE INTO tombstones VALUES (?, ?)", (bet_id, player_id))

    def is_buried(self, bet_id: str, player_id: str) -> bool:
        """Whether a bet was rolled back before it arrived."""
        query = "SELECT 1 FROM tombstones WHERE bet_id = ? AND player_id = ?"
        return self.connection.execute(query, (bet_id, player_id)).fetchone() is not None


def _bet_record(row: tuple[str, str, str, str, int, str, int, str | None, str]) -> BetRecord:
    return BetRecord(*row[:6], is_free=bool(row[6]), reward_id=row[7], state=row[8])
