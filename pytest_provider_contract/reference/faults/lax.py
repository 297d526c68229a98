"""What several faults need: a database that lets mistakes happen, and errors that are lies."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import ClassVar

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.messages import UNKNOWN, Bet, Callback, Reply, Win
from pytest_provider_contract.reference.store import BetRecord, Store, WinRecord
from pytest_provider_contract.reference.wallet import Wallet


class LaxStore(Store):
    """A database without constraints, as it would be behind a careless wallet."""

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute("PRAGMA ignore_check_constraints = ON")
        return connection

    def add_bet(self, bet: Bet) -> None:
        """Remembers a bet, unless it is known."""
        if self.bet(bet.transaction_id) is None:
            super().add_bet(bet)

    def add_win(self, win: Win) -> None:
        """Remembers a win, unless it is known."""
        if self.win(win.transaction_id) is None:
            super().add_win(win)

    def set_balance(self, player_id: str, balance: int) -> None:
        """Overwrites a balance, whatever happened to it since it was read."""
        self.connection.execute("UPDATE players SET balance = ? WHERE player_id = ?", (balance, player_id))

    def bets(self, where: str, *values: object) -> list[BetRecord]:
        """The bets that fit, in the order of their arrival."""
        query = f"SELECT transaction_id FROM bets WHERE {where} ORDER BY rowid"  # noqa: S608  never of a request
        found = [self.bet(row[0]) for row in self.connection.execute(query, values).fetchall()]
        return [bet for bet in found if bet is not None]

    def wins(self, where: str, *values: object) -> list[WinRecord]:
        """The wins that fit, in the order of their arrival."""
        query = f"SELECT * FROM wins WHERE {where} ORDER BY rowid"  # noqa: S608  never of a request
        return [WinRecord(*row) for row in self.connection.execute(query, values).fetchall()]

    def age(self, table: str, transaction_id: str) -> int:
        """How many rows of the table are newer than this one."""
        query = f"SELECT count(*) FROM {table} WHERE rowid > (SELECT rowid FROM {table} WHERE transaction_id = ?)"  # noqa: S608
        count: int = self.connection.execute(query, (transaction_id,)).fetchone()[0]
        return count


class LaxWallet(Wallet):
    """A wallet on a database without constraints."""

    store_class = LaxStore
    _store: LaxStore


class LyingWallet(LaxWallet):
    """A wallet that can answer with an error although it has moved the money."""

    _lies: ClassVar[set[str]] = set()

    def _lie(self, callback: Callback) -> None:
        self._lies.add(callback.request_id)

    def _success(self, callback: Callback, account: Account) -> Reply:
        reply = super()._success(callback, account)
        return replace(reply, status=UNKNOWN) if callback.request_id in self._lies else reply
