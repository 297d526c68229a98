"""The other side of each *either* in the contract."""

from __future__ import annotations

from typing import ClassVar

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.messages import (
    DUPLICATE_TRANSACTION,
    UNKNOWN,
    Bet,
    Callback,
    Reply,
    Rollback,
    Win,
)
from pytest_provider_contract.reference.store import ROLLED_BACK, SETTLED, BetRecord, Store, WinRecord
from pytest_provider_contract.reference.variants import conforming
from pytest_provider_contract.reference.wallet import DeclinedError, Wallet

# -- repetitions --------------------------------------------------------------------------------


@conforming("bet-replay-is-duplicate")
class BetReplayIsDuplicate(Wallet):
    """A retry of a bet gets DUPLICATE_TRANSACTION_ERROR."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        raise DeclinedError(DUPLICATE_TRANSACTION)


@conforming("bet-replay-after-rollback-succeeds")
class BetReplayAfterRollbackSucceeds(Wallet):
    """A retry of a bet that was rolled back gets the SUCCESS that the bet got, and moves nothing."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if not record.repeats(bet):
            raise DeclinedError(DUPLICATE_TRANSACTION)


class _ReplyStore(Store):
    """Remembers the balance of every reply."""

    def stored(self, kind: str, key: str, balance: int) -> int:
        """The balance of the first reply; the given one if there was none."""
        execute = self.connection.execute
        execute("CREATE TABLE IF NOT EXISTS replies (kind TEXT, key TEXT, balance INTEGER, PRIMARY KEY (kind, key))")
        execute("INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", (kind, key, balance))
        found: int = execute("SELECT balance FROM replies WHERE kind = ? AND key = ?", (kind, key)).fetchone()[0]
        return found


@conforming("stored-replies")
class StoredReplies(BetReplayAfterRollbackSucceeds):
    """A retry gets the reply of the first attempt, with its balance and the retry's requestId."""

    store_class = _ReplyStore
    _store: _ReplyStore

    def _success(self, callback: Callback, account: Account) -> Reply:
        reply = super()._success(callback, account)
        match callback:
            case Bet() | Win():
                key = callback.transaction_id
            case Rollback():
                key = callback.bet_id
            case _:
                return reply
        # By player too: two players may well roll back the same unknown bet.
        kind = f"{type(callback).__name__} of {callback.player_id}"
        balance = self._store.stored(kind, key, reply.balance or 0)
        return Reply(reply.status, reply.request_id, reply.player_id, reply.currency, balance)


@conforming("conflict-answered-as-replay")
class ConflictAnsweredAsReplay(Wallet):
    """A known transactionId with other content gets SUCCESS like a retry, and moves nothing."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if record.state == ROLLED_BACK:
            raise DeclinedError(DUPLICATE_TRANSACTION)

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        """Succeeds."""


# -- bets that are not accepted -----------------------------------------------------------------


@conforming("bet-of-nothing-declined")
class BetOfNothingDeclined(Wallet):
    """A bet of amount 0 that is not free is declined."""

    def _check_bet(self, bet: Bet, account: Account) -> None:
        super()._check_bet(bet, account)
        if bet.amount == 0 and not bet.is_free:
            raise DeclinedError(UNKNOWN)


@conforming("declined-bets-remembered")
class DeclinedBetsRemembered(Wallet):
    """A declined bet stays declined with the same status, also if the money is there by now."""

    _declined_bets: ClassVar[dict[str, str]] = {}

    def _bet(self, bet: Bet, account: Account) -> None:
        status = self._declined_bets.get(bet.transaction_id)
        if status is not None:
            raise DeclinedError(status)
        super()._bet(bet, account)

    def _declined(self, callback: Callback, account: Account | None, status: str) -> Reply:
        if isinstance(callback, Bet) and account is not None and status != DUPLICATE_TRANSACTION:
            self._declined_bets[callback.transaction_id] = status
        return super()._declined(callback, account, status)


@conforming("declined-bets-become-duplicates")
class DeclinedBetsBecomeDuplicates(DeclinedBetsRemembered):
    """A declined bet gets DUPLICATE_TRANSACTION_ERROR when it is sent again."""

    def _bet(self, bet: Bet, account: Account) -> None:
        if bet.transaction_id in self._declined_bets:
            raise DeclinedError(DUPLICATE_TRANSACTION)
        super()._bet(bet, account)


# -- order --------------------------------------------------------------------------------------


class _WinsByBet(Store):
    def is_won(self, bet_id: str) -> bool:
        """Whether there is a win that names the bet."""
        query = "SELECT 1 FROM wins WHERE bet_id = ?"
        return self.connection.execute(query, (bet_id,)).fetchone() is not None


@conforming("early-win-credited")
class EarlyWinCredited(Wallet):
    """A win that comes before its bet is credited, and settles the bet when it comes."""

    store_class = _WinsByBet
    _store: _WinsByBet

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if record is not None:
            super()._check_won_bet(win, record)
        elif self._store.is_buried(win.bet_id, win.player_id) or self._store.is_won(win.bet_id):
            raise DeclinedError(UNKNOWN)

    def _place(self, bet: Bet, account: Account) -> None:
        super()._place(bet, account)
        if self._store.is_won(bet.transaction_id):
            self._store.mark(bet.transaction_id, SETTLED)

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        if self._store.is_won(rollback.bet_id):
            raise DeclinedError(UNKNOWN)
        super()._rollback_of_unknown(rollback, account)


@conforming("early-win-closes-round")
class EarlyWinClosesRound(EarlyWinCredited):
    """A win that comes before its bet is credited, and may close the round: the bet is declined then."""

    _closed: ClassVar[set[str]] = set()

    def _carry_out(self, callback: Callback, account: Account) -> None:
        super()._carry_out(callback, account)
        if isinstance(callback, Win) and callback.round_closed:
            self._closed.add(callback.round_id)

    def _check_bet(self, bet: Bet, account: Account) -> None:
        super()._check_bet(bet, account)
        if bet.round_id in self._closed:
            raise DeclinedError(UNKNOWN)


@conforming("win-of-rolled-back-bet-credited")
class WinOfRolledBackBetCredited(Wallet):
    """The win of a bet that was rolled back is credited once; the bet stays rolled back."""

    store_class = _WinsByBet
    _store: _WinsByBet

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if record is None or record.state != ROLLED_BACK or record.player_id != win.player_id:
            super()._check_won_bet(win, record)
        elif self._store.is_won(win.bet_id):
            raise DeclinedError(UNKNOWN)

    def _pay(self, win: Win, account: Account) -> None:
        record = self._store.bet(win.bet_id)
        super()._pay(win, account)
        if record is not None and record.state == ROLLED_BACK:
            self._store.mark(win.bet_id, ROLLED_BACK)


@conforming("rollback-of-unknown-refused")
class RollbackOfUnknownRefused(Wallet):
    """A rollback of an unknown bet gets an error and is forgotten; retried after the bet it refunds."""

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        raise DeclinedError(UNKNOWN)


@conforming("late-bet-succeeds-at-no-cost")
class LateBetSucceedsAtNoCost(Wallet):
    """A bet that arrives after its rollback gets SUCCESS and costs nothing."""

    def _late_bet(self, bet: Bet, account: Account) -> None:
        """Succeeds."""


@conforming("late-bet-gets-unknown-error")
class LateBetGetsUnknownError(Wallet):
    """A bet that arrives after its rollback gets UNKNOWN_ERROR."""

    def _late_bet(self, bet: Bet, account: Account) -> None:
        raise DeclinedError(UNKNOWN)


# -- rollbacks that move nothing ----------------------------------------------------------------


@conforming("rollback-of-settled-succeeds")
class RollbackOfSettledSucceeds(Wallet):
    """A rollback after the win gets SUCCESS and moves nothing."""

    def _rollback_of_settled(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        """Succeeds."""


@conforming("rollback-of-others-succeeds")
class RollbackOfOthersSucceeds(Wallet):
    """A rollback that names another player's bet gets SUCCESS and moves nothing."""

    def _rollback_of_others(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        """Succeeds."""


@conforming("rollback-naming-a-win-succeeds")
class RollbackNamingAWinSucceeds(Wallet):
    """A rollback that names a win gets SUCCESS and moves nothing."""

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        self._store.bury(rollback.bet_id, account.player_id)


@conforming("refused-rollback-declines-its-bet")
class RefusedRollbackDeclinesItsBet(Wallet):
    """A rollback of an unknown bet gets an error each time and is remembered: the bet is declined when it comes."""

    _refused: ClassVar[set[tuple[str, str]]] = set()

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        self._refused.add((rollback.bet_id, rollback.player_id))
        raise DeclinedError(UNKNOWN)

    def _is_buried(self, bet: Bet) -> bool:
        return (bet.transaction_id, bet.player_id) in self._refused

    def _late_bet(self, bet: Bet, account: Account) -> None:
        raise DeclinedError(UNKNOWN)
