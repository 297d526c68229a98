"""What a bet or a win costs or brings, and whether the player can pay."""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.faults.lax import LaxWallet
from pytest_provider_contract.reference.messages import (
    INSUFFICIENT_BALANCE,
    UNKNOWN,
    Balance,
    Bet,
    Callback,
    Reply,
    Rollback,
    Win,
)
from pytest_provider_contract.reference.store import SETTLED
from pytest_provider_contract.reference.variants import fault
from pytest_provider_contract.reference.wallet import DeclinedError, Wallet

# -- the amount ---------------------------------------------------------------------------------


@fault("bet-costs-a-unit-more", "BET-01", "SEQ-01")
class BetCostsAUnitMore(LaxWallet):
    """A bet debits one minor unit more than its amount."""

    def _place(self, bet: Bet, account: Account) -> None:
        super()._place(bet, account)
        self._move(bet, account, -1)


@fault("bet-costs-nothing", "BET-01", "SEQ-01")
class BetCostsNothing(Wallet):
    """A bet gets SUCCESS and is remembered, but not debited."""

    def _place(self, bet: Bet, account: Account) -> None:
        self._store.add_bet(bet)


@fault("win-refused-at-balance-0", "BET-02", "WIN-01")
class WinRefusedAtBalance0(Wallet):
    """A win is refused while the player has no money, as if the account were closed."""

    def _check_win(self, win: Win, account: Account) -> None:
        super()._check_win(win, account)
        if account.balance == 0:
            raise DeclinedError(UNKNOWN)


@fault("every-tenth-bet-costs-nothing", "BET-01", "SEQ-01")
class EveryTenthBetCostsNothing(Wallet):
    """Every tenth bet gets SUCCESS but is not debited."""

    _count: ClassVar[Iterator[int]] = itertools.count(1)

    def _place(self, bet: Bet, account: Account) -> None:
        if next(self._count) % 10:
            super()._place(bet, account)
        else:
            self._store.add_bet(bet)


@fault("bet-of-nothing-costs-a-unit", "BET-06", "SEQ-01")
class BetOfNothingCostsAUnit(LaxWallet):
    """A bet of amount 0 is raised to the smallest stake and debits one minor unit."""

    def _place(self, bet: Bet, account: Account) -> None:
        super()._place(bet, account)
        if bet.amount == 0 and not bet.is_free:
            self._move(bet, account, -1)


@fault("win-not-credited", "WIN-01", "WIN-05", "SEQ-01")
class WinNotCredited(Wallet):
    """A win gets SUCCESS and is remembered, but not credited."""

    def _pay(self, win: Win, account: Account) -> None:
        self._store.add_win(win)
        self._store.mark(win.bet_id, SETTLED)


@fault("win-less-stake", "WIN-01", "SEQ-01")
class WinLessStake(LaxWallet):
    """A win is credited less the stake, as if it had not been debited yet."""

    def _pay(self, win: Win, account: Account) -> None:
        super()._pay(win, account)
        bet = self._store.bet(win.bet_id)
        self._move(win, account, -min(win.amount, bet.stake if bet else 0))


@fault("win-plus-stake", "WIN-01", "WIN-02", "SEQ-01")
class WinPlusStake(LaxWallet):
    """A win gives the stake back on top of its amount."""

    def _pay(self, win: Win, account: Account) -> None:
        super()._pay(win, account)
        bet = self._store.bet(win.bet_id)
        self._move(win, account, bet.stake if bet else 0)


@fault("win-of-nothing-refused", "WIN-02", "SEQ-01")
class WinOfNothingRefused(Wallet):
    """A win of amount 0 is refused as invalid, so a lost bet stays open."""

    def _check_win(self, win: Win, account: Account) -> None:
        if win.amount == 0:
            raise DeclinedError(UNKNOWN)
        super()._check_win(win, account)


@fault("every-tenth-win-credited-twice", "WIN-01", "SEQ-01")
class EveryTenthWinCreditedTwice(Wallet):
    """Every tenth win is credited twice."""

    _count: ClassVar[Iterator[int]] = itertools.count(1)

    def _pay(self, win: Win, account: Account) -> None:
        super()._pay(win, account)
        if next(self._count) % 10 == 0:
            self._move(win, account, win.amount)


@fault("balance-costs-a-unit", "BALANCE-01", "SEQ-01")
class BalanceCostsAUnit(Wallet):
    """Asking for the balance costs one minor unit."""

    def _carry_out(self, callback: Callback, account: Account) -> None:
        super()._carry_out(callback, account)
        if isinstance(callback, Balance) and account.balance:
            self._move(callback, account, -1)


@fault("interest-every-second", "BALANCE-03", "BALANCE-01", "BALANCE-02")
class InterestEverySecond(Wallet):
    """Every second brings the player one minor unit, without any callback."""

    _since: ClassVar[dict[str, float]] = {}

    def _account(self, callback: Callback) -> Account | None:
        account = super()._account(callback)
        if account is not None:
            seconds = int(time.monotonic() - self._since.setdefault(account.player_id, time.monotonic()))
            self._since[account.player_id] += seconds
            self._move(callback, account, seconds)
        return super()._account(callback)


# -- enough money? ------------------------------------------------------------------------------


@fault("bet-of-whole-balance-refused", "BET-02", "SEQ-01")
class BetOfWholeBalanceRefused(Wallet):
    """A bet of exactly the balance is refused."""

    def _check_funds(self, bet: Bet, account: Account) -> None:
        if bet.stake and bet.stake >= account.balance:
            raise DeclinedError(INSUFFICIENT_BALANCE)


@fault("overdraft-of-a-unit", "BET-03", "SEQ-01")
class OverdraftOfAUnit(LaxWallet):
    """A bet of one minor unit more than the balance is accepted."""

    def _check_funds(self, bet: Bet, account: Account) -> None:
        super()._check_funds(bet, replace(account, balance=account.balance + 1))


@fault("balance-below-zero", "BET-03", "SEQ-01")
class BalanceBelowZero(LaxWallet):
    """Any bet is accepted, and the balance goes below zero."""

    def _check_funds(self, bet: Bet, account: Account) -> None:
        """Accepts."""


@fault("bet-cut-to-balance", "BET-03", "BET-01", "SEQ-01")
class BetCutToBalance(Wallet):
    """A bet above the balance is accepted and debits what there is."""

    def _bet(self, bet: Bet, account: Account) -> None:
        super()._bet(replace(bet, amount=min(bet.amount, account.balance)), account)


@fault("insufficient-is-unknown-error", "BET-03", "SEQ-01")
class InsufficientIsUnknownError(Wallet):
    """A bet above the balance gets UNKNOWN_ERROR."""

    def _check_funds(self, bet: Bet, account: Account) -> None:
        if bet.stake > account.balance:
            raise DeclinedError(UNKNOWN)


class _AfterDeclining(LaxWallet, ABC):
    """Does something to a bet after it was declined for want of money."""

    def _declined(self, callback: Callback, account: Account | None, status: str) -> Reply:
        if isinstance(callback, Bet) and account is not None and status == INSUFFICIENT_BALANCE:
            self._after_declining(callback, account)
        return super()._declined(callback, account, status)

    @abstractmethod
    def _after_declining(self, bet: Bet, account: Account) -> None:
        """What is done to the bet that was declined."""


@fault("declined-bet-debited", "BET-03", "BET-08", "SEQ-01")
class DeclinedBetDebited(_AfterDeclining):
    """A bet above the balance is declined, but takes a minor unit along."""

    def _after_declining(self, bet: Bet, account: Account) -> None:
        self._store.move(account.player_id, -min(1, account.balance))


@fault("declined-bet-takes-the-rest", "BET-03", "BET-08", "SEQ-01")
class DeclinedBetTakesTheRest(_AfterDeclining):
    """A bet above the balance is declined, but what the player has left is gone."""

    def _after_declining(self, bet: Bet, account: Account) -> None:
        self._store.set_balance(account.player_id, 0)


@fault("rollback-of-foreign-currency-bet-refunds", "ROLLBACK-07")
class RollbackOfForeignCurrencyBetRefunds(LaxWallet):
    """A bet in another currency is declined but recorded, so that its rollback pays the stake."""

    _recorded: ClassVar[dict[str, int]] = {}

    def _check_bet(self, bet: Bet, account: Account) -> None:
        if bet.currency != account.currency:
            self._recorded[bet.transaction_id] = bet.stake
        super()._check_bet(bet, account)

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        super()._rollback_of_unknown(rollback, account)
        self._move(rollback, account, self._recorded.pop(rollback.bet_id, 0))


@fault("loss-refused-at-balance-0", "WIN-02")
class LossRefusedAtBalance0(Wallet):
    """A win of amount 0 is refused while the player has no money, so a last bet that is lost stays open."""

    def _pay(self, win: Win, account: Account) -> None:
        if win.amount == account.balance == 0:
            raise DeclinedError(UNKNOWN)
        super()._pay(win, account)


@fault("declined-bet-remembered-as-accepted", "ROLLBACK-07", "BET-08", "SEQ-01")
class DeclinedBetRememberedAsAccepted(_AfterDeclining):
    """A declined bet is remembered as accepted: its retry gets SUCCESS, its win and its rollback pay."""

    def _after_declining(self, bet: Bet, account: Account) -> None:
        self._store.add_bet(bet)


@fault("declined-bet-debited-on-retry", "BET-08", "SEQ-01")
class DeclinedBetDebitedOnRetry(_AfterDeclining):
    """A declined bet is debited when it is sent again, without a look at the balance."""

    _before: ClassVar[set[str]] = set()

    def _after_declining(self, bet: Bet, account: Account) -> None:
        self._before.add(bet.transaction_id)

    def _check_funds(self, bet: Bet, account: Account) -> None:
        if bet.transaction_id not in self._before:
            super()._check_funds(bet, account)


@fault("win-of-declined-bet-credited", "WIN-04")
class WinOfDeclinedBetCredited(_AfterDeclining):
    """The win of a declined bet is credited."""

    _declined_bets: ClassVar[dict[str, Bet]] = {}

    def _after_declining(self, bet: Bet, account: Account) -> None:
        self._declined_bets[bet.transaction_id] = bet

    def _win(self, win: Win, account: Account) -> None:
        bet = self._declined_bets.pop(win.bet_id, None)
        if bet is None:
            super()._win(win, account)
        else:
            self._store.add_win(win)
            self._move(win, account, win.amount)
