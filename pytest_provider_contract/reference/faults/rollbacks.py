"""Which bet a rollback refunds, how much of it, how often, and what if there is none."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.faults.lax import LaxWallet, LyingWallet
from pytest_provider_contract.reference.messages import (
    DUPLICATE_TRANSACTION,
    UNKNOWN,
    Bet,
    Callback,
    Reader,
    Reply,
    Rollback,
    Win,
)
from pytest_provider_contract.reference.store import OPEN, ROLLED_BACK, BetRecord
from pytest_provider_contract.reference.variants import fault
from pytest_provider_contract.reference.wallet import DeclinedError, Wallet

# -- repetitions --------------------------------------------------------------------------------


@fault("rollback-deduped-on-transaction-id", "ROLLBACK-03", "SEQ-01")
class RollbackDedupedOnTransactionId(LaxWallet):
    """A rollback is recognised by its own transactionId, which every retry has anew."""

    _seen: ClassVar[set[str]] = set()

    def _rollback(self, rollback: Rollback, account: Account) -> None:
        if rollback.transaction_id not in self._seen:
            super()._rollback(rollback, account)
            self._seen.add(rollback.transaction_id)

    def _repeated_rollback(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._move(rollback, account, record.stake)


@fault("rollback-repeat-refunds-again", "ROLLBACK-02", "ROLLBACK-03", "SEQ-01")
class RollbackRepeatRefundsAgain(LaxWallet):
    """Every rollback refunds, however often it comes."""

    def _repeated_rollback(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._move(rollback, account, record.stake)


@fault("rollback-third-time-refunds-again", "ROLLBACK-03", "ROLLBACK-02", "SEQ-01")
class RollbackThirdTimeRefundsAgain(LaxWallet):
    """The first retry of a rollback is recognised, the second one refunds again."""

    _retried: ClassVar[set[str]] = set()

    def _repeated_rollback(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if rollback.bet_id in self._retried:
            self._move(rollback, account, record.stake)
        self._retried.add(rollback.bet_id)


@fault("rollback-repeat-gets-error", "ROLLBACK-02", "ROLLBACK-03", "SEQ-01")
class RollbackRepeatGetsError(Wallet):
    """A rollback of a bet that is rolled back already gets an error, so the provider never stops."""

    def _repeated_rollback(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        raise DeclinedError(DUPLICATE_TRANSACTION)


@fault("rollback-repeat-with-new-id-gets-error", "ROLLBACK-03", "SEQ-01")
class RollbackRepeatWithNewIdGetsError(Wallet):
    """A repeated rollback succeeds with its old transactionId and gets an error with a new one."""

    _done: ClassVar[dict[str, str]] = {}

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._done[rollback.bet_id] = rollback.transaction_id
        super()._refund(rollback, record, account)

    def _repeated_rollback(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if self._done.get(rollback.bet_id) != rollback.transaction_id:
            raise DeclinedError(UNKNOWN)


# -- how much -----------------------------------------------------------------------------------


@fault("refund-half", "ROLLBACK-01", "SEQ-01")
class RefundHalf(Wallet):
    """A rollback refunds half of the stake."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._store.mark(record.transaction_id, ROLLED_BACK)
        self._move(rollback, account, record.stake // 2)


@fault("refund-less-a-unit", "ROLLBACK-01", "SEQ-01")
class RefundLessAUnit(Wallet):
    """A rollback keeps one minor unit of the stake as a fee."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        super()._refund(rollback, record, account)
        self._move(rollback, account, -min(1, record.stake))


@fault("rollback-refunds-nothing", "ROLLBACK-01", "SEQ-01")
class RollbackRefundsNothing(Wallet):
    """A rollback marks the bet and answers SUCCESS, but the money stays away."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._store.mark(record.transaction_id, ROLLED_BACK)


@fault("rollback-wants-an-amount", "ROLLBACK-01", "SEQ-01")
class RollbackWantsAnAmount(Reader):
    """A rollback without an amount is malformed, although no rollback has one."""

    def _rollback(self, fields: Mapping[str, Any]) -> Rollback:
        self._amount(fields)
        return super()._rollback(fields)


# -- which bet ----------------------------------------------------------------------------------


class _RefundOfAnother(LaxWallet, ABC):
    """Refunds another open bet than the one that is named."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        open_bets = self._store.bets("player_id = ? AND state = ?", record.player_id, OPEN)
        super()._refund(rollback, self._choose(open_bets, record), account)

    @abstractmethod
    def _choose(self, open_bets: list[BetRecord], named: BetRecord) -> BetRecord:
        """The bet that is refunded."""


@fault("refund-of-newest-bet", "ROLLBACK-01", "ORDER-03", "SEQ-01")
class RefundOfNewestBet(_RefundOfAnother):
    """A rollback refunds the player's newest open bet, whichever it names."""

    def _choose(self, open_bets: list[BetRecord], named: BetRecord) -> BetRecord:
        return open_bets[-1]


@fault("refund-of-first-bet-of-round", "ROLLBACK-01", "WIN-03", "ORDER-03", "SEQ-01")
class RefundOfFirstBetOfRound(_RefundOfAnother):
    """A rollback refunds the first open bet of the round, whichever it names."""

    def _choose(self, open_bets: list[BetRecord], named: BetRecord) -> BetRecord:
        return next(bet for bet in open_bets if bet.round_id == named.round_id)


@fault("refund-of-largest-bet-of-round", "ROLLBACK-01", "SEQ-01")
class RefundOfLargestBetOfRound(_RefundOfAnother):
    """A rollback refunds the largest open bet of the round, whichever it names."""

    def _choose(self, open_bets: list[BetRecord], named: BetRecord) -> BetRecord:
        return max((bet for bet in open_bets if bet.round_id == named.round_id), key=lambda bet: bet.stake)


@fault("refund-of-whole-round", "ROLLBACK-01", "ORDER-03", "SEQ-01")
class RefundOfWholeRound(LaxWallet):
    """A rollback refunds every open bet of the round."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        for bet in self._store.bets(
            "player_id = ? AND round_id = ? AND state = ?", record.player_id, record.round_id, OPEN
        ):
            super()._refund(rollback, bet, account)


@fault("only-newest-bet-rolled-back", "ROLLBACK-01", "ORDER-03", "SEQ-01")
class OnlyNewestBetRolledBack(LaxWallet):
    """A bet can be rolled back only until the player's next one; then it gets an error."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if self._store.bets("player_id = ?", record.player_id)[-1].transaction_id != record.transaction_id:
            raise DeclinedError(UNKNOWN)
        super()._refund(rollback, record, account)


# -- a bet that is not there --------------------------------------------------------------------


@fault("no-tombstone", "ROLLBACK-05", "SEQ-01")
class NoTombstone(Wallet):
    """A rollback of an unknown bet succeeds and is forgotten, so the late bet debits."""

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        """Succeeds."""


@fault("tombstone-used-up", "ROLLBACK-05", "IDEM-06", "SEQ-01")
class TombstoneUsedUp(LaxWallet):
    """A rollback of an unknown bet stops the late bet once; its retry debits."""

    _stopped: ClassVar[set[str]] = set()

    def _is_buried(self, bet: Bet) -> bool:
        if not super()._is_buried(bet) or bet.transaction_id in self._stopped:
            return False
        self._stopped.add(bet.transaction_id)
        return True


@fault("tombstone-for-1-second", "ROLLBACK-05")
class TombstoneFor1Second(Wallet):
    """A rollback of an unknown bet is remembered for one second; a bet that arrives later debits."""

    _times: ClassVar[dict[str, float]] = {}

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        self._times[rollback.bet_id] = time.monotonic()
        super()._rollback_of_unknown(rollback, account)

    def _is_buried(self, bet: Bet) -> bool:
        return time.monotonic() - self._times.get(bet.transaction_id, 0) < 1 and super()._is_buried(bet)


@fault("late-bet-declined-but-debited", "ROLLBACK-05", "SEQ-01")
class LateBetDeclinedButDebited(LyingWallet):
    """A bet that arrives after its rollback gets an error, and is debited."""

    def _late_bet(self, bet: Bet, account: Account) -> None:
        self._check_funds(bet, account)
        self._move(bet, account, -bet.stake)
        self._lie(bet)


@fault("refused-rollback-stays-refused", "ROLLBACK-06", "SEQ-01")
class RefusedRollbackStaysRefused(Wallet):
    """A rollback that came before its bet gets an error, and again when it is retried after the bet."""

    _refused: ClassVar[set[str]] = set()

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        self._refused.add(rollback.bet_id)
        raise DeclinedError(UNKNOWN)

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if rollback.bet_id in self._refused:
            raise DeclinedError(UNKNOWN)
        super()._refund(rollback, record, account)


@fault("rollback-after-refusal-refunds-nothing", "ROLLBACK-06", "SEQ-01")
class RollbackAfterRefusalRefundsNothing(Wallet):
    """A rollback that was refused before its bet succeeds when it is retried after the bet, but refunds nothing."""

    _refused: ClassVar[set[str]] = set()

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        self._refused.add(rollback.bet_id)
        raise DeclinedError(UNKNOWN)

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if rollback.bet_id not in self._refused:
            super()._refund(rollback, record, account)


@fault("rollback-of-unknown-refunds-last-bet", "ROLLBACK-04", "SEQ-01")
class RollbackOfUnknownRefundsLastBet(LaxWallet):
    """A rollback of an unknown bet refunds the player's last open bet instead."""

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        found = self._store.bets("player_id = ? AND state = ?", account.player_id, OPEN)
        if found:
            self._refund(rollback, found[-1], account)


@fault("rollback-of-unknown-credits", "ROLLBACK-04", "SEQ-01")
class RollbackOfUnknownCredits(LaxWallet):
    """A rollback of an unknown bet credits what the player's last bet cost, though that bet stands."""

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        found = self._store.bets("player_id = ?", account.player_id)
        self._move(rollback, account, found[-1].stake if found else 1)


@fault("rollback-of-declined-bet-refunds", "ROLLBACK-07", "ROLLBACK-03", "SEQ-01")
class RollbackOfDeclinedBetRefunds(LaxWallet):
    """A rollback of a declined bet credits the stake that was never debited."""

    _declined_bets: ClassVar[dict[str, Bet]] = {}

    def _declined(self, callback: Callback, account: Account | None, status: str) -> Reply:
        if isinstance(callback, Bet):
            self._declined_bets[callback.transaction_id] = callback
        return super()._declined(callback, account, status)

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        bet = self._declined_bets.pop(rollback.bet_id, None)
        self._move(rollback, account, bet.stake if bet else 0)


# -- a bet that is another's, or settled, or none -----------------------------------------------


@fault("rollback-of-others-pays-caller", "PLAYER-04", "PLAYER-01", "SEQ-02")
class RollbackOfOthersPaysCaller(Wallet):
    """A rollback that names another player's bet refunds it to the caller."""

    def _rollback_of_others(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if record.state == OPEN:
            self._refund(rollback, record, account)


@fault("rollback-of-others-pays-owner", "PLAYER-04", "PLAYER-01", "SEQ-02")
class RollbackOfOthersPaysOwner(Wallet):
    """A rollback that names another player's bet refunds it to that player."""

    def _rollback_of_others(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        owner = self._store.account(record.player_id)
        if record.state == OPEN and owner is not None:
            self._refund(rollback, record, owner)


@fault("rollback-naming-a-win-credits-it", "ROLLBACK-10", "SEQ-01")
class RollbackNamingAWinCreditsIt(Wallet):
    """A rollback that names a win credits the win's amount once more."""

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        win = self._store.win(rollback.bet_id)
        if win is None:
            super()._rollback_of_unknown(rollback, account)
        else:
            self._move(rollback, account, win.amount)


@fault("rollback-naming-a-win-takes-it-back", "ROLLBACK-10", "SEQ-01")
class RollbackNamingAWinTakesItBack(Wallet):
    """A rollback that names a win takes the win's amount away again."""

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        win = self._store.win(rollback.bet_id)
        if win is None:
            super()._rollback_of_unknown(rollback, account)
        else:
            self._move(rollback, account, -min(win.amount, account.balance))


@fault("rollback-of-settled-refunds", "ROLLBACK-09")
class RollbackOfSettledRefunds(Wallet):
    """A rollback after the win refunds the stake, so the player keeps both."""

    def _rollback_of_settled(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._refund(rollback, record, account)


@fault("rollback-of-settled-refunds-each-time", "ROLLBACK-11", "ROLLBACK-09", "SEQ-01")
class RollbackOfSettledRefundsEachTime(Wallet):
    """A rollback after the win refunds the stake, and so does each of its retries."""

    def _rollback_of_settled(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._move(rollback, account, record.stake)


@fault("rollback-of-settled-refunds-with-error", "ROLLBACK-11", "ROLLBACK-09", "SEQ-01")
class RollbackOfSettledRefundsWithError(LyingWallet):
    """A rollback after the win gets an error, and refunds the stake all the same."""

    def _rollback_of_settled(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._refund(rollback, record, account)
        self._lie(rollback)


# -- a memory that fades ------------------------------------------------------------------------


@fault("rollbacks-remembered-for-2-seconds", "IDEM-09", "ROLLBACK-03")
class RollbacksRememberedFor2Seconds(LaxWallet):
    """A rollback is remembered for two seconds: a later one of the same bet refunds again."""

    _times: ClassVar[dict[str, float]] = {}

    def _repeated_rollback(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if time.monotonic() - self._times.get(rollback.bet_id, 0) >= 2:
            self._move(rollback, account, record.stake)

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._times[rollback.bet_id] = time.monotonic()
        super()._refund(rollback, record, account)


@fault("only-50-rollbacks-remembered", "IDEM-08", "IDEM-09", "ROLLBACK-03")
class Only50RollbacksRemembered(LaxWallet):
    """Only the last 50 rollbacks are remembered: a later one of an earlier bet refunds again."""

    _order: ClassVar[list[str]] = []

    def _repeated_rollback(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if rollback.bet_id not in self._order[-50:]:
            self._move(rollback, account, record.stake)

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._order.append(rollback.bet_id)
        super()._refund(rollback, record, account)


@fault("only-20-tombstones-remembered", "ROLLBACK-05", "IDEM-08")
class Only20TombstonesRemembered(Wallet):
    """Only the last 20 rollbacks of any kind leave a trace of a bet that has not come: it debits."""

    _order: ClassVar[list[str]] = []

    def _rollback(self, rollback: Rollback, account: Account) -> None:
        self._order.append(rollback.bet_id)
        super()._rollback(rollback, account)

    def _is_buried(self, bet: Bet) -> bool:
        return bet.transaction_id in self._order[-20:] and super()._is_buried(bet)


@fault("tombstone-of-whole-round", "ROLLBACK-04", "BET-07", "BET-01", "ROLLBACK-01", "SEQ-01")
class TombstoneOfWholeRound(Wallet):
    """A rollback of an unknown bet voids every later bet of its round, at no cost but with SUCCESS."""

    _rounds: ClassVar[set[str]] = set()

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        self._rounds.add(rollback.round_id)
        super()._rollback_of_unknown(rollback, account)

    def _place(self, bet: Bet, account: Account) -> None:
        if bet.round_id in self._rounds:
            self._store.add_bet(bet)
        else:
            super()._place(bet, account)


@fault("rollback-of-zero-bet-refused", "ROLLBACK-01", "SEQ-01")
class RollbackOfZeroBetRefused(Wallet):
    """A rollback of a bet of amount 0 gets an error: there is nothing to refund, so the provider never stops."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if record.amount == 0 and not record.is_free:
            raise DeclinedError(UNKNOWN)
        super()._refund(rollback, record, account)


@fault("one-tombstone-per-round", "ROLLBACK-05", "SEQ-01")
class OneTombstonePerRound(LaxWallet):
    """Of the unknown bets of a round only the first that was rolled back is remembered, the next one debits."""

    _rounds: ClassVar[dict[str, str]] = {}

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        if self._rounds.setdefault(rollback.round_id, rollback.bet_id) == rollback.bet_id:
            super()._rollback_of_unknown(rollback, account)


@fault("win-of-buried-bet-lies", "WIN-05")
class WinOfBuriedBetLies(Wallet):
    """A win for a bet that was rolled back before it came gets SUCCESS and is not credited."""

    def _win(self, win: Win, account: Account) -> None:
        if not self._store.is_buried(win.bet_id, win.player_id):
            super()._win(win, account)
