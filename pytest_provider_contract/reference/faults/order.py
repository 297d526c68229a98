"""Callbacks out of order, and rounds that are opened and closed."""

from __future__ import annotations

from typing import ClassVar

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.faults.lax import LaxWallet, LyingWallet
from pytest_provider_contract.reference.messages import UNKNOWN, Bet, Rollback, Win
from pytest_provider_contract.reference.store import OPEN, ROLLED_BACK, SETTLED, BetRecord, WinRecord
from pytest_provider_contract.reference.variants import fault
from pytest_provider_contract.reference.wallet import DeclinedError, Wallet

# -- a win before its bet -----------------------------------------------------------------------


@fault("early-win-succeeds-uncredited", "ORDER-01", "WIN-05", "SEQ-01")
class EarlyWinSucceedsUncredited(Wallet):
    """A win that comes before its bet gets SUCCESS, but is not credited and not remembered."""

    def _win(self, win: Win, account: Account) -> None:
        if self._store.bet(win.bet_id) is not None:
            super()._win(win, account)


@fault("early-win-succeeds-and-is-lost", "ORDER-01", "ORDER-02", "WIN-05", "SEQ-01")
class EarlyWinSucceedsAndIsLost(Wallet):
    """A win that comes before its bet gets SUCCESS and is noted as paid, but never credited."""

    def _win(self, win: Win, account: Account) -> None:
        if self._find_win(win) is None and self._store.bet(win.bet_id) is None:
            self._store.add_win(win)
        else:
            super()._win(win, account)


@fault("early-win-refused-for-ever", "ORDER-02", "SEQ-01")
class EarlyWinRefusedForEver(Wallet):
    """A win that came before its bet is refused, also when it is retried after the bet."""

    _refused: ClassVar[set[str]] = set()

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if record is None:
            self._refused.add(win.transaction_id)
        if win.transaction_id in self._refused:
            raise DeclinedError(UNKNOWN)
        super()._check_won_bet(win, record)


@fault("early-win-refused-but-credited", "WIN-05", "ORDER-01", "ORDER-02", "SEQ-01")
class EarlyWinRefusedButCredited(LyingWallet):
    """A win that comes before its bet is refused, but credited all the same."""

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if record is None:
            self._lie(win)
        else:
            super()._check_won_bet(win, record)

    def _pay(self, win: Win, account: Account) -> None:
        if win.request_id in self._lies:
            self._move(win, account, win.amount)
        else:
            super()._pay(win, account)


@fault("early-win-credited-twice", "ORDER-02", "SEQ-01")
class EarlyWinCreditedTwice(LaxWallet):
    """A win that comes before its bet is credited, and credited again when it is retried after the bet."""

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if record is not None:
            super()._check_won_bet(win, record)

    def _find_win(self, win: Win) -> WinRecord | None:
        bet = self._store.bet(win.bet_id)
        return None if bet is not None and bet.state == OPEN else super()._find_win(win)


@fault("bet-after-its-win-is-free", "ORDER-02", "BET-01", "SEQ-01")
class BetAfterItsWinIsFree(Wallet):
    """A bet whose win came too early is accepted, but no longer debited."""

    _early: ClassVar[set[str]] = set()

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if record is None:
            self._early.add(win.bet_id)
        super()._check_won_bet(win, record)

    def _place(self, bet: Bet, account: Account) -> None:
        if bet.transaction_id in self._early:
            self._store.add_bet(bet)
        else:
            super()._place(bet, account)


# -- which bet a win settles --------------------------------------------------------------------


@fault("wins-matched-in-order", "WIN-03", "ROLLBACK-01", "ORDER-03", "SEQ-01")
class WinsMatchedInOrder(LaxWallet):
    """A win settles the oldest open bet of its round, whichever it names."""

    def _pay(self, win: Win, account: Account) -> None:
        oldest = self._store.bets("player_id = ? AND round_id = ? AND state = ?", win.player_id, win.round_id, OPEN)
        super()._pay(win, account)
        if oldest and oldest[0].transaction_id != win.bet_id:
            self._store.mark(win.bet_id, OPEN)
            self._store.mark(oldest[0].transaction_id, SETTLED)


@fault("win-settles-whole-round", "WIN-03", "ORDER-03", "ROLLBACK-01", "SEQ-01")
class WinSettlesWholeRound(LaxWallet):
    """A win settles every bet of its round, so the wins of the others are refused."""

    def _pay(self, win: Win, account: Account) -> None:
        for bet in self._settled_by(win):
            self._store.mark(bet.transaction_id, SETTLED)
        super()._pay(win, account)

    def _settled_by(self, win: Win) -> list[BetRecord]:
        return self._store.bets("player_id = ? AND round_id = ? AND state = ?", win.player_id, win.round_id, OPEN)


@fault("closing-win-settles-whole-round", "WIN-03", "ORDER-03", "ROLLBACK-01", "SEQ-01")
class ClosingWinSettlesWholeRound(WinSettlesWholeRound):
    """A win with roundClosed settles every bet of its round, although the others' wins are still on their way."""

    def _settled_by(self, win: Win) -> list[BetRecord]:
        return super()._settled_by(win) if win.round_closed else []


@fault("new-bet-forfeits-open-bet", "ORDER-03", "WIN-03", "WIN-01", "WIN-02", "SEQ-01")
class NewBetForfeitsOpenBet(LaxWallet):
    """A player has one open bet: with the next one the wins of the one before are refused."""

    def _place(self, bet: Bet, account: Account) -> None:
        for earlier in self._store.bets("player_id = ? AND state = ?", bet.player_id, OPEN):
            self._store.mark(earlier.transaction_id, SETTLED)
        super()._place(bet, account)


@fault("wins-only-oldest-first", "WIN-03", "ORDER-03", "SEQ-01")
class WinsOnlyOldestFirst(LaxWallet):
    """The bets of a round must be won in the order of their arrival; a win out of order is refused."""

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        super()._check_won_bet(win, record)
        found = self._store.bets("player_id = ? AND round_id = ? AND state = ?", win.player_id, win.round_id, OPEN)
        if found and found[0].transaction_id != win.bet_id:
            raise DeclinedError(UNKNOWN)


@fault("win-zero-leaves-bet-open", "ROLLBACK-09", "WIN-02")
class WinZeroLeavesBetOpen(Wallet):
    """A win of amount 0 succeeds but does not settle its bet, which a rollback then refunds."""

    def _pay(self, win: Win, account: Account) -> None:
        super()._pay(win, account)
        if win.amount == 0:
            self._store.mark(win.bet_id, OPEN)


# -- closed rounds ------------------------------------------------------------------------------


@fault("win-in-open-round-uncredited", "WIN-07", "WIN-05", "SEQ-01")
class WinInOpenRoundUncredited(Wallet):
    """A win with roundClosed false gets SUCCESS, but its money waits for a closing that never pays it."""

    def _pay(self, win: Win, account: Account) -> None:
        super()._pay(win, account)
        if not win.round_closed:
            self._move(win, account, -win.amount)


@fault("win-in-open-round-refused", "WIN-07", "SEQ-01")
class WinInOpenRoundRefused(Wallet):
    """A win with roundClosed false is refused."""

    def _check_win(self, win: Win, account: Account) -> None:
        if not win.round_closed:
            raise DeclinedError(UNKNOWN)
        super()._check_win(win, account)


@fault("rollback-closing-round-refused", "ROLLBACK-08", "ROLLBACK-01", "SEQ-01")
class RollbackClosingRoundRefused(Wallet):
    """A rollback with roundClosed true is refused: the round is closed."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if rollback.round_closed:
            raise DeclinedError(UNKNOWN)
        super()._refund(rollback, record, account)


@fault("rollback-in-open-round-refused", "ROLLBACK-08", "ROLLBACK-01", "SEQ-01")
class RollbackInOpenRoundRefused(Wallet):
    """A rollback with roundClosed false is refused."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if not rollback.round_closed:
            raise DeclinedError(UNKNOWN)
        super()._refund(rollback, record, account)


@fault("rollback-in-round-with-win-refused", "ROLLBACK-01", "ORDER-03", "SEQ-01")
class RollbackInRoundWithWinRefused(LaxWallet):
    """Once a bet of the round is won, no other bet of the round can be rolled back."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if self._store.wins("player_id = ? AND round_id = ?", record.player_id, record.round_id):
            raise DeclinedError(UNKNOWN)
        super()._refund(rollback, record, account)


@fault("win-replay-in-closed-round-refused", "IDEM-07", "IDEM-02", "SEQ-01")
class WinReplayInClosedRoundRefused(Wallet):
    """A retry of the win that closed its round gets an error: the round is closed."""

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        if win.round_closed:
            raise DeclinedError(UNKNOWN)
        super()._repeated_win(win, record, account)


@fault("second-bet-of-round-refused", "BET-07", "WIN-03", "SEQ-01")
class SecondBetOfRoundRefused(LaxWallet):
    """A round takes one bet of a player; a second one is refused."""

    def _check_bet(self, bet: Bet, account: Account) -> None:
        super()._check_bet(bet, account)
        if self._store.bets("player_id = ? AND round_id = ?", bet.player_id, bet.round_id):
            raise DeclinedError(UNKNOWN)


@fault("round-of-declined-bet-refuses-bets", "BET-07")
class RoundOfDeclinedBetRefusesBets(LaxWallet):
    """A round whose bet was declined for lack of money is over: a smaller bet in it is refused."""

    _over: ClassVar[set[str]] = set()

    def _check_funds(self, bet: Bet, account: Account) -> None:
        if bet.round_id in self._over and bet.stake <= account.balance:
            raise DeclinedError(UNKNOWN)
        if bet.stake > account.balance:
            self._over.add(bet.round_id)
        super()._check_funds(bet, account)


@fault("open-round-with-win-refuses-bets", "BET-07", "ORDER-03", "AMOUNT-01", "AMOUNT-03")
class OpenRoundWithWinRefusesBets(LaxWallet):
    """After its first win a round takes no further bet, although the win's roundClosed was false."""

    def _check_bet(self, bet: Bet, account: Account) -> None:
        super()._check_bet(bet, account)
        if self._store.wins("player_id = ? AND round_id = ?", bet.player_id, bet.round_id):
            raise DeclinedError(UNKNOWN)


@fault("win-replay-in-round-with-refund-refused", "ORDER-03", "IDEM-02", "SEQ-01")
class WinReplayInRoundWithRefundRefused(LaxWallet):
    """A retry of a win gets an error once another bet of the round was rolled back: the round is cancelled."""

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        super()._repeated_win(win, record, account)
        if self._store.bets("round_id = ? AND state = ?", record.round_id, ROLLED_BACK):
            raise DeclinedError(UNKNOWN)


@fault("early-win-settles-open-bet-of-round", "ORDER-01", "WIN-01", "SEQ-01")
class EarlyWinSettlesOpenBetOfRound(LaxWallet):
    """A win that comes before its bet settles an open bet of the round, whose own win is then refused."""

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if record is not None or not self._others(win):
            super()._check_won_bet(win, record)

    def _pay(self, win: Win, account: Account) -> None:
        others = [] if self._store.bet(win.bet_id) else self._others(win)
        super()._pay(win, account)
        for other in others[:1]:
            self._store.mark(other.transaction_id, SETTLED)

    def _others(self, win: Win) -> list[BetRecord]:
        return self._store.bets("player_id = ? AND round_id = ? AND state = ?", win.player_id, win.round_id, OPEN)
