"""Connections and transactions: one transaction for each callback, tried again where that helps."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg_pool import AsyncConnectionPool, PoolTimeout

# The provider hangs up after 8 seconds. A callback waits at most this long for a connection, then for
# a lock, and no attempt begins after the last of these: together they stay below that.
POOL_SECONDS = 2.0
LOCK_TIMEOUT, STATEMENT_TIMEOUT, IDLE_TIMEOUT = "2s", "3s", "5s"
LAST_ATTEMPT_AFTER_SECONDS = 2.0
ATTEMPTS = 6

Result = TypeVar("Result")

log = logging.getLogger("wallet")


class Database:
    """A bounded pool of connections."""

    def __init__(self, url: str, size: int) -> None:
        limits = {
            "lock_timeout": LOCK_TIMEOUT,
            "statement_timeout": STATEMENT_TIMEOUT,
            "idle_in_transaction_session_timeout": IDLE_TIMEOUT,
        }
        self._pool = AsyncConnectionPool(
            url,
            kwargs={
                "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
                "connect_timeout": 2,
                "tcp_user_timeout": 4000,
                "application_name": "wallet",
            },
            min_size=min(2, size),
            max_size=size,
            timeout=POOL_SECONDS,
            reconnect_timeout=5,
            open=False,
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Database"]:
        """Start and stop the pool. A database that is down now is waited for by each callback, not here."""
        await self._pool.open()
        try:
            yield self
        finally:
            await self._pool.close()

    async def is_up(self) -> bool:
        try:
            await self.in_transaction(lambda connection: connection.execute("SELECT FROM players LIMIT 1"))
        except psycopg.Error:
            return False
        return True

    async def in_transaction(self, work: Callable[[psycopg.AsyncConnection[Any]], Awaitable[Result]]) -> Result:
        """Run `work` and commit, from the start again if it lost a race or the database.

        `work` must be idempotent. After an error during COMMIT nobody knows whether it took place;
        the next attempt finds out.
        """
        last_start = time.monotonic() + LAST_ATTEMPT_AFTER_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._pool.connection() as connection:
                    return await work(connection)
            except psycopg.Error as error:
                if attempt == ATTEMPTS or time.monotonic() > last_start or not _is_passing(error):
                    raise
                log.info("attempt %d: %s", attempt, error)
                # A connection lost is seldom lost alone. The pool would find out one by one, and its own
                # check on handing out waits for seconds after the second find.
                await self._pool.check()
            await asyncio.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311 - so that two do not collide again
        raise AssertionError("not reached")


def _is_passing(error: psycopg.Error) -> bool:
    """Whether another attempt may end better."""
    if isinstance(error, PoolTimeout | errors.LockNotAvailable | errors.QueryCanceled):
        return False  # has waited long enough already
    if isinstance(error, errors.UniqueViolation):
        return True  # another player's callback has just written the same id: look again
    return isinstance(error, psycopg.OperationalError)  # deadlock, serialization failure, connection lost
