"""What is recognised as a repetition, for how long, and what a repetition does."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.faults.lax import LaxWallet
from pytest_provider_contract.reference.messages import (
    DUPLICATE_TRANSACTION,
    INSUFFICIENT_BALANCE,
    UNKNOWN,
    Bet,
    Rollback,
    Win,
)
from pytest_provider_contract.reference.store import OPEN, ROLLED_BACK, SETTLED, BetRecord, Store, WinRecord
from pytest_provider_contract.reference.variants import fault
from pytest_provider_contract.reference.wallet import DeclinedError, Wallet

# -- the wrong key ------------------------------------------------------------------------------


class _BetKey(LaxWallet, ABC):
    """Recognises a bet by more than its transactionId, or by something else."""

    _seen: ClassVar[set[tuple[str, ...]]] = set()

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        key = self._key(bet)
        known = key in self._seen
        self._seen.add(key)
        return super()._find_bet(bet) if known else None

    @abstractmethod
    def _key(self, bet: Bet) -> tuple[str, ...]:
        """What a bet is recognised by."""


@fault("bet-deduped-on-request-id", "IDEM-01", "SEQ-01")
class BetDedupedOnRequestId(_BetKey):
    """A bet is recognised by its requestId, which every retry has anew."""

    def _key(self, bet: Bet) -> tuple[str, ...]:
        return (bet.request_id,)


@fault("bet-deduped-on-timestamp-too", "IDEM-01", "SEQ-01")
class BetDedupedOnTimestampToo(_BetKey):
    """A bet is recognised by its transactionId and its timestamp, so a later retry is a new bet."""

    def _key(self, bet: Bet) -> tuple[str, ...]:
        return (bet.transaction_id, bet.timestamp)


@fault("bet-deduped-per-session", "IDEM-01")
class BetDedupedPerSession(_BetKey):
    """A bet is recognised by its transactionId and its session, so a retry in a new session is a new bet."""

    def _key(self, bet: Bet) -> tuple[str, ...]:
        return (bet.transaction_id, bet.session_id)


@fault("bet-deduped-per-game", "IDEM-03")
class BetDedupedPerGame(_BetKey):
    """A bet is recognised by its transactionId and its game, so a known one in another game debits again."""

    def _key(self, bet: Bet) -> tuple[str, ...]:
        return (bet.transaction_id, bet.game_id)


@fault("bet-replay-reopens-settled-bet", "ROLLBACK-09", "ROLLBACK-11")
class BetReplayReopensSettledBet(LaxWallet):
    """A replayed bet is written over the settled one as open, so that a rollback refunds what has won."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        super()._repeated_bet(bet, record, account)
        self._store.mark(bet.transaction_id, OPEN)


@fault("bet-deduped-on-round", "BET-07", "WIN-03", "ORDER-03", "SEQ-01")
class BetDedupedOnRound(LaxWallet):
    """A bet is recognised by its round, so a second bet of the round is taken for a retry."""

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        return next(iter(self._store.bets("round_id = ? AND player_id = ?", bet.round_id, bet.player_id)), None)


@fault("bet-deduped-on-round-and-amount", "BET-07", "SEQ-01")
class BetDedupedOnRoundAndAmount(LaxWallet):
    """A bet of the same round and amount is taken for a retry."""

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        same = self._store.bets("round_id = ? AND amount = ?", bet.round_id, bet.amount)
        return super()._find_bet(bet) or next(iter(same), None)


@fault("bet-deduped-on-player-and-amount", "BET-07", "BET-01", "SEQ-01")
class BetDedupedOnPlayerAndAmount(LaxWallet):
    """A bet of the same player and amount as the one before is taken for a retry, whatever its round."""

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        same = self._store.bets("player_id = ? AND amount = ?", bet.player_id, bet.amount)
        return super()._find_bet(bet) or (same[-1] if same else None)

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        """Succeeds and moves nothing."""


@fault("win-deduped-on-request-id", "IDEM-02", "IDEM-04", "SEQ-01")
class WinDedupedOnRequestId(LaxWallet):
    """A win is recognised by its requestId, which every retry has anew."""

    def _find_win(self, win: Win) -> WinRecord | None:
        return None

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if super()._find_win(win) is None:
            super()._check_won_bet(win, record)


@fault("win-deduped-per-session", "IDEM-02")
class WinDedupedPerSession(LaxWallet):
    """A win is recognised by its transactionId and its session, so a retry in a new session is paid again."""

    _seen: ClassVar[set[tuple[str, str]]] = set()

    def _find_win(self, win: Win) -> WinRecord | None:
        identity = (win.transaction_id, win.session_id)
        known = identity in self._seen
        self._seen.add(identity)
        return super()._find_win(win) if known else None

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if record is None or record.state != SETTLED:
            super()._check_won_bet(win, record)


@fault("win-deduped-on-round", "WIN-03", "WIN-05", "SEQ-01")
class WinDedupedOnRound(LaxWallet):
    """A win is recognised by its round, so the win of the round's second bet is taken for a retry."""

    def _find_win(self, win: Win) -> WinRecord | None:
        return next(iter(self._store.wins("round_id = ?", win.round_id)), None)

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        """Succeeds and moves nothing."""


@fault("win-deduped-on-amount", "WIN-05", "WIN-01", "WIN-03", "SEQ-01")
class WinDedupedOnAmount(LaxWallet):
    """A win of the same player and amount as an earlier one is taken for a retry."""

    def _find_win(self, win: Win) -> WinRecord | None:
        same = self._store.wins("player_id = ? AND amount = ? AND amount > 0", win.player_id, win.amount)
        return super()._find_win(win) or (same[-1] if same else None)

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        """Succeeds and moves nothing."""


# -- a memory that fades ------------------------------------------------------------------------


class _BetsForgotten(LaxWallet):
    """Only so many bets are remembered: a retry of an older one debits again."""

    kept: ClassVar[int]

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        return super()._find_bet(bet) if self._store.age("bets", bet.transaction_id) < self.kept else None


@fault("only-last-bet-remembered", "IDEM-01", "IDEM-08", "SEQ-01")
class OnlyLastBetRemembered(_BetsForgotten):
    """Only the last bet is remembered: a retry of an earlier one debits again."""

    kept = 1


@fault("only-100-bets-can-be-settled", "WIN-01", "IDEM-08")
class Only100BetsCanBeSettled(LaxWallet):
    """Open bets are kept for a hundred bets: the win of an older one is refused, so its round is stuck."""

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        super()._check_won_bet(win, record)
        if self._store.age("bets", win.bet_id) >= 100:
            raise DeclinedError(UNKNOWN)


@fault("only-50-bets-remembered", "IDEM-08", "IDEM-09")
class Only50BetsRemembered(_BetsForgotten):
    """Only the last 50 bets are remembered: a retry of an earlier one debits again."""

    kept = 50


@fault("only-100-bets-remembered", "IDEM-08", "IDEM-09")
class Only100BetsRemembered(_BetsForgotten):
    """Only the last 100 bets are remembered: a retry of an earlier one debits again."""

    kept = 100


@fault("only-200-bets-remembered", "IDEM-08", "IDEM-09")
class Only200BetsRemembered(_BetsForgotten):
    """Only the last 200 bets are remembered: a retry of an earlier one debits again."""

    kept = 200


@fault("only-50-wins-remembered", "IDEM-08", "IDEM-09")
class Only50WinsRemembered(LaxWallet):
    """Only the last 50 wins are remembered: a retry of an earlier one credits again."""

    def _find_win(self, win: Win) -> WinRecord | None:
        return super()._find_win(win) if self._store.age("wins", win.transaction_id) < 50 else None

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if super()._find_win(win) is None:
            super()._check_won_bet(win, record)


@fault("bets-remembered-for-2-seconds", "IDEM-09", "IDEM-01", "IDEM-08")
class BetsRememberedFor2Seconds(LaxWallet):
    """A bet is remembered for two seconds: a later retry debits again."""

    _times: ClassVar[dict[str, float]] = {}

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        now = time.monotonic()
        age = now - self._times.setdefault(bet.transaction_id, now)
        return super()._find_bet(bet) if age < 2 else None


@fault("transactions-in-memory-only", "IDEM-09")
class TransactionsInMemoryOnly(Wallet):
    """Money is kept for ever, but a restart forgets all transactions: a later retry moves money again."""

    after_restart: ClassVar[bool] = True

    def __init__(self, store: Store, rewards: Collection[str]) -> None:
        super().__init__(store, rewards)
        for table in ("bets", "wins", "tombstones"):
            store.connection.execute(f"DELETE FROM {table}")  # noqa: S608  one of the three


class _OpenForSeconds(LaxWallet):
    """An open bet is known for two seconds."""

    _placed_s: ClassVar[dict[str, float]] = {}

    def _place(self, bet: Bet, account: Account) -> None:
        super()._place(bet, account)
        self._placed_s[bet.transaction_id] = time.monotonic()

    def _check_age(self, bet_id: str) -> None:
        if time.monotonic() - self._placed_s.get(bet_id, 0.0) > 2:
            raise DeclinedError(UNKNOWN)


@fault("win-refused-2-seconds-after-its-bet", "WIN-01", "IDEM-09")
class WinRefused2SecondsAfterItsBet(_OpenForSeconds):
    """A win is refused when its bet is older than two seconds, so that a stuck round stays stuck."""

    def _pay(self, win: Win, account: Account) -> None:
        self._check_age(win.bet_id)
        super()._pay(win, account)


@fault("rollback-refused-2-seconds-after-its-bet", "ROLLBACK-01", "IDEM-09")
class RollbackRefused2SecondsAfterItsBet(_OpenForSeconds):
    """A rollback is refused when its bet is older than two seconds, so that the stake never comes back."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._check_age(record.transaction_id)
        super()._refund(rollback, record, account)


# -- repetitions that do something --------------------------------------------------------------


@fault("bet-replay-debits-again", "IDEM-01", "SEQ-01")
class BetReplayDebitsAgain(LaxWallet):
    """A retry of a bet debits again."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        super()._repeated_bet(bet, record, account)
        self._move(bet, account, -bet.stake)


@fault("bet-replay-debits-again-after-its-win", "IDEM-07", "SEQ-01")
class BetReplayDebitsAgainAfterItsWin(LaxWallet):
    """A retry of a bet that is settled already debits again."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        super()._repeated_bet(bet, record, account)
        if record.state == SETTLED:
            self._move(bet, account, -bet.stake)


@fault("bet-replay-debits-again-after-its-rollback", "IDEM-06", "ROLLBACK-05", "SEQ-01")
class BetReplayDebitsAgainAfterItsRollback(LaxWallet):
    """A retry of a bet that was rolled back places it again."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if record.state == ROLLED_BACK:
            self._store.mark(bet.transaction_id, OPEN)
            self._move(bet, account, -bet.stake)
        else:
            super()._repeated_bet(bet, record, account)


@fault("bet-replay-checked-against-balance", "SEQ-01", "IDEM-01", "IDEM-07")
class BetReplayCheckedAgainstBalance(Wallet):
    """A retry of an accepted bet gets INSUFFICIENT_BALANCE_ERROR if the rest would not pay for it again."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        super()._repeated_bet(bet, record, account)
        if bet.stake > account.balance:
            raise DeclinedError(INSUFFICIENT_BALANCE)


@fault("bet-replay-gets-unknown-error", "IDEM-01", "SEQ-01")
class BetReplayGetsUnknownError(Wallet):
    """A retry of an accepted bet gets UNKNOWN_ERROR, as if the bet had failed."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        raise DeclinedError(UNKNOWN)


@fault("win-replay-credits-again", "IDEM-02", "SEQ-01")
class WinReplayCreditsAgain(LaxWallet):
    """A retry of a win credits again."""

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        super()._repeated_win(win, record, account)
        self._move(win, account, win.amount)


@fault("win-replay-gets-error", "IDEM-02", "SEQ-01")
class WinReplayGetsError(Wallet):
    """A retry of a credited win gets DUPLICATE_TRANSACTION_ERROR, so the provider never stops."""

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        raise DeclinedError(DUPLICATE_TRANSACTION)


@fault("conflicting-bet-debits", "IDEM-03", "SEQ-01")
class ConflictingBetDebits(LaxWallet):
    """A known bet with another amount is debited as another bet."""

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        record = super()._find_bet(bet)
        return record if record is None or record.amount == bet.amount else None


@fault("conflicting-bet-corrects-stake", "IDEM-03", "SEQ-01")
class ConflictingBetCorrectsStake(LaxWallet):
    """A known bet with another amount debits, or gives back, the difference."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if record.state == OPEN:
            self._move(bet, account, record.stake - bet.stake)


@fault("conflicting-win-credits", "IDEM-04", "SEQ-01")
class ConflictingWinCredits(LaxWallet):
    """A known win with another amount is credited as another win."""

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        if record.amount != win.amount:
            self._move(win, account, win.amount)


@fault("wins-remembered-for-2-seconds", "IDEM-09", "IDEM-02", "IDEM-08")
class WinsRememberedFor2Seconds(LaxWallet):
    """A win is remembered for two seconds: a later retry credits again."""

    _times: ClassVar[dict[str, float]] = {}

    def _find_win(self, win: Win) -> WinRecord | None:
        now = time.monotonic()
        age = now - self._times.setdefault(win.transaction_id, now)
        return super()._find_win(win) if age < 2 else None

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if super()._find_win(win) is None:
            super()._check_won_bet(win, record)


@fault("conflicting-win-for-another-bet-credits", "IDEM-04", "SEQ-01")
class ConflictingWinForAnotherBetCredits(LaxWallet):
    """A known win that names another bet is credited as another win."""

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        if record.bet_id != win.bet_id:
            self._move(win, account, win.amount)


@fault("conflicting-bet-of-another-round-debits", "IDEM-03", "SEQ-01")
class ConflictingBetOfAnotherRoundDebits(LaxWallet):
    """A known bet with another round is debited as another bet."""

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        record = super()._find_bet(bet)
        return record if record is None or record.round_id == bet.round_id else None


@fault("win-deduped-per-round", "IDEM-04")
class WinDedupedPerRound(LaxWallet):
    """A win is recognised by its transactionId and its round, so that with another round it is paid again."""

    def _find_win(self, win: Win) -> WinRecord | None:
        record = super()._find_win(win)
        return record if record is None or record.round_id == win.round_id else None

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if self._store.win(win.transaction_id) is None:
            super()._check_won_bet(win, record)


@fault("conflicting-bet-takes-its-round-along", "IDEM-03")
class ConflictingBetTakesItsRoundAlong(LaxWallet):
    """A known bet with another round is written over the first one, whose win is then refused."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if record.state != OPEN or bet.round_id == record.round_id:
            super()._repeated_bet(bet, record, account)
            return
        query = "UPDATE bets SET round_id = ? WHERE transaction_id = ?"
        self._store.connection.execute(query, (bet.round_id, bet.transaction_id))

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        super()._check_won_bet(win, record)
        if record is not None and record.round_id != win.round_id:
            raise DeclinedError(UNKNOWN)


@fault("win-of-nothing-forgotten", "IDEM-04", "SEQ-01")
class WinOfNothingForgotten(LaxWallet):
    """A win of amount 0 is taken for none, so that the same win with an amount is credited."""

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        if record.amount:
            super()._repeated_win(win, record, account)
        else:
            self._move(win, account, win.amount)


@fault("bet-of-nothing-forgotten", "BET-06", "IDEM-03", "SEQ-01")
class BetOfNothingForgotten(LaxWallet):
    """A bet of amount 0 is taken for none, so that the same bet with an amount is debited."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if record.amount or record.is_free or record.state != OPEN:
            super()._repeated_bet(bet, record, account)
        else:
            self._move(bet, account, -bet.stake)


@fault("bet-replay-debits-again-after-conflict", "IDEM-01", "IDEM-03", "SEQ-01")
class BetReplayDebitsAgainAfterConflict(LaxWallet):
    """A bet with other content is refused but takes the place of the first, whose retry then debits again."""

    _replaced: ClassVar[set[str]] = set()

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if not record.repeats(bet):
            self._replaced.add(bet.transaction_id)
        super()._repeated_bet(bet, record, account)
        if bet.transaction_id in self._replaced:
            self._move(bet, account, -bet.stake)


@fault("refused-win-succeeds-on-retry", "WIN-05", "SEQ-01")
class RefusedWinSucceedsOnRetry(LaxWallet):
    """The win of a bet that was rolled back is refused but noted, so that its retry gets SUCCESS and no money."""

    _noted: ClassVar[set[str]] = set()

    def _win(self, win: Win, account: Account) -> None:
        if win.transaction_id not in self._noted:
            super()._win(win, account)

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if record is not None and record.state == ROLLED_BACK:
            self._noted.add(win.transaction_id)
        super()._check_won_bet(win, record)


@fault("foreign-currency-bet-succeeds-on-retry", "BET-05")
class ForeignCurrencyBetSucceedsOnRetry(LaxWallet):
    """A bet is noted before its currency is looked at, so that a retry of the refused one gets SUCCESS."""

    _noted: ClassVar[set[str]] = set()

    def _bet(self, bet: Bet, account: Account) -> None:
        if bet.transaction_id not in self._noted:
            if bet.currency != account.currency:
                self._noted.add(bet.transaction_id)
            super()._bet(bet, account)


@fault("conflict-with-less-gives-change", "IDEM-03")
class ConflictWithLessGivesChange(LaxWallet):
    """A known bet that comes again with a lower amount is taken for a correction, and gives the rest back."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if bet.stake < record.stake and not bet.is_free and record.state == OPEN:
            self._move(bet, account, record.stake - bet.stake)
        else:
            super()._repeated_bet(bet, record, account)


@fault("free-and-other-bets-apart", "IDEM-03")
class FreeAndOtherBetsApart(LaxWallet):
    """Free bets have a memory of their own, so the same transactionId debits once more as a bet for money."""

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        record = super()._find_bet(bet)
        return record if record is not None and record.is_free == bet.is_free else None


@fault("free-conflict-takes-stake-away", "IDEM-03")
class FreeConflictTakesStakeAway(LaxWallet):
    """A known bet that comes again as a free one becomes free, so that its rollback refunds nothing."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if bet.is_free and not record.is_free:
            update = "UPDATE bets SET is_free = 1 WHERE transaction_id = ?"
            self._store.connection.execute(update, (bet.transaction_id,))
        else:
            super()._repeated_bet(bet, record, account)


@fault("win-deduped-per-bet", "IDEM-04")
class WinDedupedPerBet(LaxWallet):
    """A win is recognised by its transactionId and its bet, so a known one credits another open bet's again."""

    def _find_win(self, win: Win) -> WinRecord | None:
        record = super()._find_win(win)
        return record if record is not None and record.bet_id == win.bet_id else None


@fault("win-replay-needs-money", "IDEM-02")
class WinReplayNeedsMoney(Wallet):
    """A win that is known gets an error while its player has less than it: the check is that of a bet."""

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        if account.balance < win.amount:
            raise DeclinedError(UNKNOWN)
        super()._repeated_win(win, record, account)


@fault("conflict-after-rollback-debits", "IDEM-03")
class ConflictAfterRollbackDebits(LaxWallet):
    """A bet that was taken back and comes again with another amount is taken for a new one."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if record.state == ROLLED_BACK and bet.amount != record.amount:
            self._move(bet, account, -bet.stake)
        else:
            super()._repeated_bet(bet, record, account)


@fault("closing-win-forgets-bets", "IDEM-01")
class ClosingWinForgetsBets(LaxWallet):
    """The win that closes a round lets go of its other bets' transactionIds, so their retries debit."""

    _closed: ClassVar[set[str]] = set()

    def _pay(self, win: Win, account: Account) -> None:
        super()._pay(win, account)
        if win.round_closed:
            self._closed.add(win.round_id)

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        record = super()._find_bet(bet)
        forgotten = record is not None and record.state == OPEN and bet.round_id in self._closed
        return None if forgotten else record
