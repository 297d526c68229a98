"""What each callback does to the money.

The rules in one paragraph: a callback is one database transaction. It either does all it should
and is answered with SUCCESS, or it raises `DeclinedError`, which undoes the transaction, so that
an error reply can't have moved money. Bets and wins are recognised by their own transaction id,
rollbacks by the bet they name. Of what was declined nothing is kept, so it may be tried again.
"""

# ruff: noqa: ARG002 - each decision is handed all that a variant of it may want to know

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import ClassVar

from pytest_provider_contract.reference.accounts import MAX_MONEY, Account
from pytest_provider_contract.reference.messages import (
    BONUS,
    DUPLICATE_TRANSACTION,
    INSUFFICIENT_BALANCE,
    SUCCESS,
    UNKNOWN,
    Balance,
    Bet,
    Callback,
    Reply,
    Rollback,
    Win,
)
from pytest_provider_contract.reference.store import OPEN, ROLLED_BACK, SETTLED, BetRecord, Store, WinRecord


class DeclinedError(Exception):
    """The callback is not carried out.

    Attributes:
        status: The status of the reply.
    """

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class Wallet:
    """Carries callbacks out, one transaction each.

    The methods with one underscore are its single decisions. A variant overrides one of them.

    Attributes:
        store_class: The kind of memory that the wallet needs.
    """

    store_class: ClassVar[type[Store]] = Store

    def __init__(self, store: Store, rewards: Collection[str]) -> None:
        self._store = store
        self._rewards = rewards

    def answer(self, callback: Callback) -> Reply:
        """Carries one callback out."""
        account = None
        try:
            with self._transaction(callback):
                account = self._account(callback)
                if account is None:
                    return self._declined(callback, None, UNKNOWN)
                self._carry_out(callback, account)
                return self._success(callback, account)
        except DeclinedError as declined:
            return self._declined(callback, account, declined.status)

    def refuse(self, request_id: str, player_id: str) -> Reply:
        """The reply to a callback that is too malformed to be carried out."""
        account = self._store.account(player_id) if player_id.isprintable() else None
        if account is None:
            return Reply(UNKNOWN, request_id, player_id)
        return Reply(UNKNOWN, request_id, player_id, account.currency, account.balance)

    # -- the frame of every callback ------------------------------------------------------------

    def _transaction(self, callback: Callback) -> AbstractContextManager[None]:
        """What makes the callback happen as a whole, or not at all."""
        return self._store.transaction()

    def _account(self, callback: Callback) -> Account | None:
        """The account that the callback is about."""
        return self._store.account(callback.player_id)

    def _carry_out(self, callback: Callback, account: Account) -> None:
        match callback:
            case Bet():
                self._bet(callback, account)
            case Win():
                self._win(callback, account)
            case Rollback():
                self._rollback(callback, account)
            case Balance():
                pass  # the reply to any callback has the balance

    def _success(self, callback: Callback, account: Account) -> Reply:
        """The reply after everything was done; inside of the transaction, so it reports its result."""
        now = self._store.account(account.player_id) or account
        return Reply(SUCCESS, callback.request_id, callback.player_id, now.currency, now.balance)

    def _declined(self, callback: Callback, account: Account | None, status: str) -> Reply:
        """The reply after nothing was done: the balance read inside of the transaction still stands."""
        if account is None:
            return Reply(status, callback.request_id, callback.player_id)
        return Reply(status, callback.request_id, callback.player_id, account.currency, account.balance)

    def _move(self, callback: Callback, account: Account, delta: int) -> None:
        """Moves money: the one way in which any callback does."""
        if account.balance + delta > MAX_MONEY:
            raise DeclinedError(UNKNOWN)
        self._store.move(account.player_id, delta)

    # -- bet ------------------------------------------------------------------------------------

    def _bet(self, bet: Bet, account: Account) -> None:
        record = self._find_bet(bet)
        if record is not None:
            self._repeated_bet(bet, record, account)
        elif self._is_buried(bet):
            self._late_bet(bet, account)
        else:
            self._check_bet(bet, account)
            self._place(bet, account)

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        """The bet that this one repeats."""
        return self._store.bet(bet.transaction_id)

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        """A repeated bet succeeds again, unless it was taken back or is now another bet."""
        if record.state == ROLLED_BACK or not record.repeats(bet):
            raise DeclinedError(DUPLICATE_TRANSACTION)

    def _is_buried(self, bet: Bet) -> bool:
        """Whether the bet was rolled back before it arrived."""
        return self._store.is_buried(bet.transaction_id, bet.player_id)

    def _late_bet(self, bet: Bet, account: Account) -> None:
        """The bet that arrives after its rollback is answered as if it had come before it."""
        raise DeclinedError(DUPLICATE_TRANSACTION)

    def _check_bet(self, bet: Bet, account: Account) -> None:
        """Raises `DeclinedError` for a bet that can't be accepted."""
        if self._store.win(bet.transaction_id) is not None:
            raise DeclinedError(DUPLICATE_TRANSACTION)
        if bet.currency != account.currency:
            raise DeclinedError(UNKNOWN)
        if bet.is_free and not self._is_granted(bet.reward_id):
            raise DeclinedError(BONUS)
        self._check_funds(bet, account)

    def _is_granted(self, reward_id: str | None) -> bool:
        return reward_id in self._rewards

    def _check_funds(self, bet: Bet, account: Account) -> None:
        if bet.stake > account.balance:
            raise DeclinedError(INSUFFICIENT_BALANCE)

    def _place(self, bet: Bet, account: Account) -> None:
        """Accepts the bet."""
        self._store.add_bet(bet)
        self._move(bet, account, -bet.stake)

    # -- win ------------------------------------------------------------------------------------

    def _win(self, win: Win, account: Account) -> None:
        record = self._find_win(win)
        if record is not None:
            self._repeated_win(win, record, account)
        else:
            self._check_win(win, account)
            self._pay(win, account)

    def _find_win(self, win: Win) -> WinRecord | None:
        """The win that this one repeats."""
        return self._store.win(win.transaction_id)

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        """A repeated win succeeds again, unless it is now another win."""
        if not record.repeats(win):
            raise DeclinedError(DUPLICATE_TRANSACTION)

    def _check_win(self, win: Win, account: Account) -> None:
        """Raises `DeclinedError` for a win that can't be credited."""
        if self._store.bet(win.transaction_id) is not None:
            raise DeclinedError(DUPLICATE_TRANSACTION)
        if win.currency != account.currency:
            raise DeclinedError(UNKNOWN)
        self._check_won_bet(win, self._store.bet(win.bet_id))

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        """The player's own bet must be there, and neither settled nor rolled back."""
        if record is None or record.player_id != win.player_id or record.state != OPEN:
            raise DeclinedError(UNKNOWN)

    def _pay(self, win: Win, account: Account) -> None:
        """Credits the win and settles its bet."""
        self._store.add_win(win)
        self._store.mark(win.bet_id, SETTLED)
        self._move(win, account, win.amount)

    # -- rollback -------------------------------------------------------------------------------

    def _rollback(self, rollback: Rollback, account: Account) -> None:
        record = self._find_rolled_back(rollback)
        if record is None:
            self._rollback_of_unknown(rollback, account)
        elif record.player_id != rollback.player_id:
            self._rollback_of_others(rollback, record, account)
        elif record.state == ROLLED_BACK:
            self._repeated_rollback(rollback, record, account)
        elif record.state == SETTLED:
            self._rollback_of_settled(rollback, record, account)
        else:
            self._refund(rollback, record, account)

    def _find_rolled_back(self, rollback: Rollback) -> BetRecord | None:
        """The bet that is to be rolled back."""
        return self._store.bet(rollback.bet_id)

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        """Succeeds and remembers, so that the bet costs nothing should it still arrive."""
        if self._store.win(rollback.bet_id) is not None:
            raise DeclinedError(UNKNOWN)  # the id is a win's and will never be a bet's
        self._store.bury(rollback.bet_id, account.player_id)

    def _rollback_of_others(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        raise DeclinedError(UNKNOWN)

    def _repeated_rollback(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        """Succeeds again: the money is back already."""

    def _rollback_of_settled(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        raise DeclinedError(UNKNOWN)

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        """Gives the bet's own stake back."""
        self._store.mark(record.transaction_id, ROLLED_BACK)
        self._move(rollback, account, record.stake)
