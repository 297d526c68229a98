"""What goes wrong only if callbacks come at the same time, and money that parts from its record.

The races are real: what is read before the transaction is acted upon inside of it, and between
the two passes the time that the name tells.
"""

from __future__ import annotations

import itertools
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.faults.lax import LaxStore, LaxWallet, LyingWallet
from pytest_provider_contract.reference.gateway import Gateway, Request, Response
from pytest_provider_contract.reference.messages import (
    Balance,
    Bet,
    Callback,
    MalformedError,
    Reply,
    Rollback,
    Win,
    decode,
)
from pytest_provider_contract.reference.store import BetRecord, WinRecord
from pytest_provider_contract.reference.variants import fault
from pytest_provider_contract.reference.wallet import Wallet

# -- reading first, acting later ----------------------------------------------------------------


class _Race(LaxWallet, ABC):
    """Looks something up, waits, and believes in it when the transaction begins."""

    kinds: ClassVar[tuple[type[Callback], ...]]
    window: ClassVar[float]

    def __init__(self, store: LaxStore, rewards: Collection[str]) -> None:
        super().__init__(store, rewards)
        self._local = threading.local()

    @property
    def _before(self) -> Any:
        return self._local.before

    def answer(self, callback: Callback) -> Reply:
        """Looks, waits, acts."""
        if isinstance(callback, self.kinds):
            self._local.before = self._look(callback)
            time.sleep(self.window)
        return super().answer(callback)

    @abstractmethod
    def _look(self, callback: Any) -> Any:
        """What is looked up before the transaction begins."""


class _StaleFunds(_Race):
    """The balance is read, {window} later the bet is debited without another look at it."""

    kinds = (Bet,)

    def _look(self, callback: Bet) -> Account | None:
        return self._store.account(callback.player_id)

    def _check_funds(self, bet: Bet, account: Account) -> None:
        super()._check_funds(bet, self._before or account)


class _LostUpdate(_Race):
    """The balance is read, {window} later it is written with the amount added or subtracted."""

    kinds = (Bet, Win, Rollback)

    def _look(self, callback: Callback) -> Account | None:
        return self._store.account(callback.player_id)

    def _move(self, callback: Callback, account: Account, delta: int) -> None:
        self._store.set_balance(account.player_id, (self._before or account).balance + delta)


class _DuplicateBet(_Race):
    """A bet is looked up by its transactionId, {window} later it is debited if it was not found."""

    kinds = (Bet,)

    def _look(self, callback: Bet) -> BetRecord | None:
        return self._store.bet(callback.transaction_id)

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        found: BetRecord | None = self._before
        return found


class _DuplicateWin(_Race):
    """A win is looked up by its transactionId, {window} later it is credited if it was not found."""

    kinds = (Win,)

    def _look(self, callback: Win) -> tuple[WinRecord | None, BetRecord | None]:
        return self._store.win(callback.transaction_id), self._store.bet(callback.bet_id)

    def _find_win(self, win: Win) -> WinRecord | None:
        found: WinRecord | None = self._before[0]
        return found

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        super()._check_won_bet(win, self._before[1])


class _DuplicateRollback(_Race):
    """A rollback looks its bet up, {window} later it refunds what was open then."""

    kinds = (Rollback,)

    def _look(self, callback: Rollback) -> BetRecord | None:
        return self._store.bet(callback.bet_id)

    def _find_rolled_back(self, rollback: Rollback) -> BetRecord | None:
        found: BetRecord | None = self._before
        return found


class _LateTombstone(_Race):
    """A bet looks for its tombstone, {window} later it is debited if there was none."""

    kinds = (Bet,)

    def _look(self, callback: Bet) -> bool:
        return self._store.is_buried(callback.transaction_id, callback.player_id)

    def _is_buried(self, bet: Bet) -> bool:
        return bool(self._before)


_RACES: dict[str, tuple[type[_Race], tuple[str, ...]]] = {
    "overdraft-race": (_StaleFunds, ("RACE-04", "RACE-05", "RACE-09", "BET-03")),
    "lost-update-race": (_LostUpdate, ("RACE-05", "RACE-04", "RACE-06", "RACE-09", "BET-01", "WIN-01")),
    "duplicate-bet-race": (_DuplicateBet, ("RACE-01", "RACE-09", "IDEM-01")),
    "duplicate-win-race": (_DuplicateWin, ("RACE-02", "RACE-09", "IDEM-02")),
    "duplicate-rollback-race": (_DuplicateRollback, ("RACE-03", "RACE-09", "ROLLBACK-03", "ROLLBACK-02")),
    "late-tombstone-race": (_LateTombstone, ("RACE-06", "RACE-09", "ROLLBACK-05")),
}
_WINDOWS = {"5ms": 0.005, "1ms": 0.001, "500us": 0.000_5, "200us": 0.000_2, "100us": 0.000_1}

for (_name, (_race, _rules)), (_label, _seconds) in itertools.product(_RACES.items(), _WINDOWS.items()):
    _sentence = str(_race.__doc__).format(window=_label.replace("us", " µs").replace("ms", " ms"))
    # An abstract class would have the module of `abc`.
    _members = {"window": _seconds, "__doc__": _sentence, "__module__": __name__}
    fault(f"{_name}-{_label}", *_rules)(type(_race.__name__, (_race,), _members))


@fault("duplicate-free-win-race", "RACE-02", "RACE-09")
class DuplicateFreeWinRace(_DuplicateWin):
    """A free bet's win is looked up by its transactionId, 3 ms later it is credited if it was not found."""

    window = 0.003
    _one = threading.Lock()

    def answer(self, callback: Callback) -> Reply:
        """Looks, and for a free bet's win waits, before it acts."""
        if isinstance(callback, Win) and not self._is_of_free_bet(callback):
            with self._one:
                return super().answer(callback)
        return super().answer(callback)

    def _is_of_free_bet(self, win: Win) -> bool:
        bet = self._store.bet(win.bet_id)
        return bet is not None and bet.is_free


@fault("bet-replay-written-over-rollback", "RACE-06", "RACE-09")
class BetReplayWrittenOverRollback(_Race):
    """A replayed bet is read and stored again as it was 3 ms ago, also when it was rolled back meanwhile."""

    kinds = (Bet,)
    window = 0.003

    def _look(self, callback: Bet) -> BetRecord | None:
        return self._store.bet(callback.transaction_id)

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if self._before is not None:
            self._store.mark(bet.transaction_id, self._before.state)
        super()._repeated_bet(bet, self._before or record, account)


@fault("overdraft-across-rounds", "RACE-04", "RACE-05", "RACE-09", "BET-03")
class OverdraftAcrossRounds(_StaleFunds):
    """Bets wait for those of their own round, so bets of two rounds spend the same money."""

    window = 0.005
    _rounds: ClassVar[defaultdict[str, threading.Lock]] = defaultdict(threading.Lock)

    def answer(self, callback: Callback) -> Reply:
        """Carries the callback out, a bet after the others of its round."""
        if not isinstance(callback, Bet):
            return super().answer(callback)
        with self._rounds[callback.round_id]:
            return super().answer(callback)


# -- contention ---------------------------------------------------------------------------------


class _Busy(LaxWallet, ABC):
    """Does not wait while another callback is carried out."""

    _one = threading.Lock()

    def answer(self, callback: Callback) -> Reply:
        """Carries the callback out, or makes do without."""
        if isinstance(callback, Balance):
            return super().answer(callback)
        if not self._one.acquire(blocking=False):
            return self._busy(callback)
        try:
            time.sleep(0.002)
            return super().answer(callback)
        finally:
            self._one.release()

    @abstractmethod
    def _busy(self, callback: Callback) -> Reply:
        """The reply while another callback is carried out."""


@fault("http-500-when-busy", "RACE-08", "REPLY-01")
class Http500WhenBusy(Gateway):
    """Two callbacks at once: the second finds the database locked and gets HTTP 500."""

    _one = threading.Lock()

    def respond(self, request: Request) -> Response:
        """Answers, if nothing else is being answered."""
        if not self._one.acquire(blocking=False):
            body = b"database is locked"
            return Response(500, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))], body)
        try:
            time.sleep(0.002)
            return super().respond(request)
        finally:
            self._one.release()


@fault("http-500-on-second-tombstone", "RACE-03", "RACE-06", "RACE-08", "RACE-09", "REPLY-01")
class Http500OnSecondTombstone(Gateway):
    """Two rollbacks of a bet that never came insert one tombstone at once: the second gets HTTP 500."""

    _bets: ClassVar[set[str]] = set()
    _being_dug: ClassVar[set[str]] = set()

    def respond(self, request: Request) -> Response:
        """Answers, if no other rollback of the same unknown bet is being answered."""
        bet_id = _field(request, "referenceTransactionId")
        if request.name == "bet":
            self._bets.add(_field(request, "transactionId"))
        if request.name != "rollback" or bet_id in self._bets:
            return super().respond(request)
        if bet_id in self._being_dug:
            body = b"duplicate key value violates unique constraint"
            return Response(500, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))], body)
        self._being_dug.add(bet_id)
        try:
            time.sleep(0.002)
            return super().respond(request)
        finally:
            self._being_dug.discard(bet_id)


def _field(request: Request, name: str) -> str:
    try:
        return str(decode(request.body).get(name))
    except MalformedError:
        return ""


@fault("busy-bet-declined-but-debited", "RACE-05", "RACE-04", "RACE-01", "RACE-09", "BET-01")
class BusyBetDeclinedButDebited(LyingWallet):
    """Bets at the same time are all debited, but all but one get UNKNOWN_ERROR."""

    _one = threading.Lock()

    def answer(self, callback: Callback) -> Reply:
        """Carries the callback out, and lies about it if it had to wait."""
        if not isinstance(callback, Bet):
            return super().answer(callback)
        alone = self._one.acquire(blocking=False)
        try:
            if not alone:
                self._lie(callback)
            time.sleep(0.002)
            return super().answer(callback)
        finally:
            if alone:
                self._one.release()


@fault("busy-win-dropped", "RACE-05", "RACE-02", "RACE-09", "WIN-01", "WIN-05")
class BusyWinDropped(_Busy):
    """A win that comes while another callback is carried out gets SUCCESS, but is dropped."""

    def _busy(self, callback: Callback) -> Reply:
        account = self._account(callback)
        if not isinstance(callback, Win) or account is None or self._store.bet(callback.bet_id) is None:
            with self._one:
                return LaxWallet.answer(self, callback)
        return self._success(callback, account)


@fault("busy-rollback-dropped", "RACE-05", "RACE-03", "RACE-06", "RACE-09", "ROLLBACK-01")
class BusyRollbackDropped(_Busy):
    """A rollback that comes while another callback is carried out gets SUCCESS, but is dropped."""

    def _busy(self, callback: Callback) -> Reply:
        account = self._account(callback)
        if not isinstance(callback, Rollback) or account is None:
            with self._one:
                return LaxWallet.answer(self, callback)
        return self._success(callback, account)


# -- money that parts from its record -----------------------------------------------------------


@fault("every-20th-bet-not-recorded", "IDEM-01", "WIN-01", "WIN-02", "ROLLBACK-01", "SEQ-01")
class Every20thBetNotRecorded(LaxWallet):
    """Every twentieth bet is debited but not remembered, as by a crash between the two."""

    _count: ClassVar[Iterator[int]] = itertools.count(1)

    def _place(self, bet: Bet, account: Account) -> None:
        if next(self._count) % 20:
            super()._place(bet, account)
        else:
            self._move(bet, account, -bet.stake)


@fault("every-20th-win-not-recorded", "IDEM-02", "IDEM-08", "SEQ-01")
class Every20thWinNotRecorded(LaxWallet):
    """Every twentieth win is credited but not remembered, as by a crash between the two."""

    _count: ClassVar[Iterator[int]] = itertools.count(1)

    def _pay(self, win: Win, account: Account) -> None:
        if next(self._count) % 20:
            super()._pay(win, account)
        else:
            self._move(win, account, win.amount)


@fault("every-20th-refund-not-recorded", "ROLLBACK-03", "ROLLBACK-02", "SEQ-01")
class Every20thRefundNotRecorded(LaxWallet):
    """Every twentieth refund is credited but not remembered, as by a crash between the two: a retry credits again."""

    _count: ClassVar[Iterator[int]] = itertools.count(1)

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if next(self._count) % 20:
            super()._refund(rollback, record, account)
        else:
            self._move(rollback, account, record.stake)


class _RecordedLate(LaxWallet):
    """Commits the money at once and its record some time after the reply."""

    delay: ClassVar[float] = 0.1

    def _later(self, callback: Callback) -> None:
        def record() -> None:
            with self._store.transaction():
                if isinstance(callback, Bet):
                    self._store.add_bet(callback)
                elif isinstance(callback, Win):
                    self._store.add_win(callback)

        timer = threading.Timer(self.delay, record)
        timer.daemon = True
        timer.start()


@fault("bet-recorded-100ms-late", "IDEM-01", "ROLLBACK-01", "WIN-01", "SEQ-01")
class BetRecorded100msLate(_RecordedLate):
    """A bet is debited at once but remembered 100 ms later; a retry in between debits again."""

    def _place(self, bet: Bet, account: Account) -> None:
        self._move(bet, account, -bet.stake)
        self._later(bet)


@fault("win-recorded-100ms-late", "IDEM-02", "SEQ-01")
class WinRecorded100msLate(_RecordedLate):
    """A win is credited at once but remembered 100 ms later; a retry in between credits again."""

    def _pay(self, win: Win, account: Account) -> None:
        self._move(win, account, win.amount)
        self._later(win)


@fault("no-transaction", "RACE-01", "RACE-05", "RACE-06", "RACE-08", "RACE-09", "IDEM-01", "BET-01")
class NoTransaction(LaxWallet):
    """Every statement commits by itself: there is no transaction around a callback, and no wait within it."""

    def _transaction(self, callback: Callback) -> AbstractContextManager[None]:
        return nullcontext()


@fault("bet-answered-before-commit", "BALANCE-02", "BET-01", "WIN-01", "SEQ-01")
class BetAnsweredBeforeCommit(Wallet):
    """A bet is answered at once and committed 300 ms later."""

    _due: ClassVar[set[str]] = set()

    def answer(self, callback: Callback) -> Reply:
        """Answers what a bet would do, and does it later."""
        reply = super().answer(callback)
        if isinstance(callback, Bet):
            self._due.add(callback.request_id)
            timer = threading.Timer(0.3, super().answer, [callback])
            timer.daemon = True
            timer.start()
        return reply

    @contextmanager
    def _transaction(self, callback: Callback) -> Iterator[None]:
        with super()._transaction(callback):
            if isinstance(callback, Bet) and callback.request_id not in self._due:
                self._store.connection.execute("SAVEPOINT rehearsal")
                yield
                self._store.connection.execute("ROLLBACK TO rehearsal")
            else:
                yield


@fault("conflicting-bets-debited-when-busy", "RACE-01", "SEQ-02")
class ConflictingBetsDebitedWhenBusy(_Race):
    """Two contents under one transactionId that come within 5 ms of each other are both debited."""

    kinds = (Bet,)
    window = 0.005

    def _look(self, callback: Bet) -> BetRecord | None:
        return self._store.bet(callback.transaction_id)

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        record = super()._find_bet(bet)
        return self._before if record is not None and not record.repeats(bet) else record
