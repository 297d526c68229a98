"""Every SQL statement of the wallet. No rules here: see wallet.py."""

from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

from callbacks import Bet, Rollback, Win
from psycopg import AsyncConnection
from psycopg.rows import class_row

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Player:
    player_id: str
    currency: str
    balance: int


@dataclass(frozen=True, slots=True)
class KnownBet:
    player_id: str
    state: str
    stake: int


@dataclass(frozen=True, slots=True)
class KnownTransaction:
    request_id: str
    content: str
    status: str


class Store:
    """The books, seen from within one database transaction."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def player(self, player_id: str) -> Player | None:
        return await self._one(
            Player, "SELECT player_id, currency, balance FROM players WHERE player_id = %s", player_id
        )

    async def lock_player(self, player_id: str) -> Player | None:
        """Make all other callbacks of this player wait until this transaction ends.

        To be called first and on its own. Each statement that follows sees what was committed when it
        starts; joined into this one, it would see the books as they were before the wait for the lock.
        """
        return await self._one(
            Player, "SELECT player_id, currency, balance FROM players WHERE player_id = %s FOR UPDATE", player_id
        )

    async def transaction(self, transaction_id: str) -> KnownTransaction | None:
        return await self._one(
            KnownTransaction,
            "SELECT request_id, content, status FROM transactions WHERE transaction_id = %s",
            transaction_id,
        )

    async def bet(self, bet_id: str) -> KnownBet | None:
        return await self._one(KnownBet, "SELECT player_id, state, stake FROM bets WHERE bet_id = %s", bet_id)

    async def has_session(self, player_id: str, session_id: str) -> bool:
        return await self._exists(
            "SELECT 1 FROM sessions WHERE player_id = %s AND session_id = %s", player_id, session_id
        )

    async def has_reward(self, reward_id: str) -> bool:
        return await self._exists("SELECT 1 FROM rewards WHERE reward_id = %s", reward_id)

    async def save_bet(self, callback: Bet | Win, state: str, stake: int = 0) -> None:
        """Write down a bet on its arrival, or on the arrival of its win if that came first."""
        await self._connection.execute(
            "INSERT INTO bets (bet_id, player_id, round_id, game_id, state, stake) VALUES (%s, %s, %s, %s, %s, %s)",
            (callback.bet_id, callback.player_id, callback.round_id, callback.game_id, state, stake),
        )

    async def move_bet(self, bet_id: str, *, before: str, after: str, stake: int) -> None:
        cursor = await self._connection.execute(
            "UPDATE bets SET state = %s, stake = %s WHERE bet_id = %s AND state = %s", (after, stake, bet_id, before)
        )
        if cursor.rowcount != 1:
            raise RuntimeError(f"bet {bet_id!r} is not {before}")

    async def book(self, callback: Bet | Win | Rollback, player: Player, delta: int, status: str) -> Player:
        """Write down a transaction and move its money."""
        balance = player.balance + delta
        await self._connection.execute(
            "INSERT INTO transactions"
            " (transaction_id, kind, bet_id, player_id, request_id, content, status, delta, balance_after)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                callback.transaction_id,
                callback.kind,
                callback.bet_id,
                callback.player_id,
                callback.request_id,
                callback.content,
                status,
                delta,
                balance,
            ),
        )
        if delta:
            await self._connection.execute(
                "UPDATE players SET balance = balance + %s WHERE player_id = %s", (delta, player.player_id)
            )
        return Player(player.player_id, player.currency, balance)

    async def _one(self, row: type[Row], query: LiteralString, *parameters: str) -> Row | None:
        async with self._connection.cursor(row_factory=class_row(row)) as cursor:
            await cursor.execute(query, parameters)
            return await cursor.fetchone()

    async def _exists(self, query: LiteralString, *parameters: str) -> bool:
        cursor = await self._connection.execute(query, parameters)
        return await cursor.fetchone() is not None
