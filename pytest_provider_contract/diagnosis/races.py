"""What goes wrong only at the same time, or when nobody waits for the reply.

In turn the wallet must have been right; only callbacks that overlapped, or whose way was
disturbed, may have met the flaw. Whether some order of them explains everything then is the
judge's own search.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.diagnosis.cause import Cause
from pytest_provider_contract.diagnosis.flaw import FLAWED, Flaw, delta, moves, succeeds
from pytest_provider_contract.diagnosis.flaws.bets import BetNotRecorded, BetRefusedButDebited, FundsNotChecked
from pytest_provider_contract.diagnosis.flaws.idempotency import (
    BetNotDeduplicated,
    BetReplayReopensRefundedBet,
    WinNotDeduplicated,
)
from pytest_provider_contract.diagnosis.flaws.rollbacks import NoTombstone, RefundNothing, RollbackNotDeduplicated
from pytest_provider_contract.diagnosis.flaws.wins import WinNotCredited, WinNotRecorded
from pytest_provider_contract.diagnosis.record import Record
from pytest_provider_contract.history import Defect
from pytest_provider_contract.ledger import Branch, Ledger, State
from pytest_provider_contract.transport import Fault
from pytest_provider_contract.verdict import Judge


@dataclass(frozen=True)
class LostUpdate(Flaw):
    """An update of the balance is overwritten by another one; its reply tells what it had computed."""

    def _known_player(self, state: State, callback: Callback) -> Iterator[Branch]:
        for branch in super()._known_player(state, callback):
            yield branch
            if succeeds(branch) and (moved := delta(state, branch, callback.player_id)):
                yield replace(moves(branch, callback, -moved), rule=FLAWED, balances=None)


_AT_ONCE = "at the same time"
_ONE_STATEMENT = "look up and change in one database transaction that locks the row"

# The narrower ones first: a lost update explains much.
RACES: tuple[tuple[type[Flaw], Cause], ...] = (
    (
        BetNotDeduplicated,
        Cause(
            "bet-dedupe-race",
            f"copies of a bet that come {_AT_ONCE} are each debited: the bet is looked up first and inserted later",
            "put a unique key on transactionId and insert before debiting, in one database transaction",
            "D",
        ),
    ),
    (
        WinNotDeduplicated,
        Cause(
            "win-dedupe-race",
            f"copies of a win that come {_AT_ONCE} are each credited: the win is looked up first and inserted later",
            "put a unique key on transactionId and insert before crediting, in one database transaction",
            "D",
        ),
    ),
    (
        RollbackNotDeduplicated,
        Cause(
            "refund-race",
            f"rollbacks of a bet that come {_AT_ONCE} each refund: the bet is looked up first and marked later",
            "mark the bet as rolled back with a statement that checks it is still open, and refund only if it did",
            "D",
        ),
    ),
    (
        FundsNotChecked,
        Cause(
            "funds-race",
            f"bets that come {_AT_ONCE} overdraw: the funds are checked first and debited later",
            "debit with a statement that checks the balance (UPDATE … WHERE balance >= amount), or lock the account",
            "D",
        ),
    ),
    (
        NoTombstone,
        Cause(
            "tombstone-race",
            f"a bet that comes {_AT_ONCE} as its rollback debits: it looks for the tombstone first and is placed later",
            _ONE_STATEMENT,
            "D",
        ),
    ),
    (
        BetReplayReopensRefundedBet,
        Cause(
            "replay-undoes-rollback",
            f"the replay of a bet that comes {_AT_ONCE} as its rollback makes the bet open again: it is read first and "
            "written back later, so the next rollback refunds once more",
            "let a replay write nothing, or only while the bet is as it was read",
            "D",
        ),
    ),
    (
        BetRefusedButDebited,
        Cause(
            "busy-bet-refused-but-debited",
            f"a bet is answered with an error although it debits, when others come {_AT_ONCE}",
            "undo the database transaction before answering with an error",
            "D",
        ),
    ),
    (
        WinNotCredited,
        Cause(
            "busy-win-dropped",
            f"a win is answered with SUCCESS but not credited, when others come {_AT_ONCE}",
            "wait for the lock, or answer with an error so that the win is retried",
            "D",
        ),
    ),
    (
        RefundNothing,
        Cause(
            "busy-rollback-dropped",
            f"a rollback is answered with SUCCESS but not refunded, when others come {_AT_ONCE}",
            "wait for the lock, or answer with an error so that the rollback is retried",
            "D",
        ),
    ),
    (
        LostUpdate,
        Cause(
            "lost-update",
            f"an update is lost when callbacks come {_AT_ONCE}: it is read, changed by the program and stored",
            "let the database add and subtract, or lock the account's row while it is changed",
            "D",
        ),
    ),
)


_ABANDONING = (Fault.REPLY_LOST, Fault.RESET)

# What may happen when nobody waits for a reply.
LOST: tuple[tuple[type[Flaw], Cause], ...] = (
    (
        BetNotRecorded,
        Cause(
            "bet-record-lost",
            "a bet is debited but not remembered when its client goes away before the reply",
            "record the bet and debit it in one database transaction, whoever waits for the reply",
            "D",
        ),
    ),
    (
        WinNotRecorded,
        Cause(
            "win-record-lost",
            "a win is credited but not remembered when its client goes away before the reply",
            "record the win and credit it in one database transaction, whoever waits for the reply",
            "D",
        ),
    ),
)


@dataclass(frozen=True)
class _Perhaps(Ledger):
    """The right ledger, or the one with the flaw, from callback to callback."""

    flaw: Flaw | None = None

    def branches(self, state: State, callback: Callback, defect: Defect | None = None) -> list[Branch]:
        """What either may answer."""
        assert self.flaw is not None  # noqa: S101 - races() sets it
        found = [*super().branches(state, callback, defect), *self.flaw.branches(state, callback, defect)]
        return list(dict.fromkeys(found))


def causes_of_race(record: Record) -> tuple[Cause, ...]:
    """The races that explain a record in which callbacks overlapped or were disturbed.

    Two deliveries of one request overlap too, and so may a retry and the request whose reply
    nobody waited for.
    """
    faults = {exchange.fault for exchange in record.exchanges}
    abandoned = not faults.isdisjoint(_ABANDONING)
    raced = abandoned or bool(record.together) or Fault.TWICE in faults
    known = (*(LOST if abandoned else ()), *(RACES if raced else ()))
    fitting = [cause for flaw, cause in known if _explains(flaw.of(record), record)]
    narrow = [cause for cause in fitting if cause.id != "lost-update"]
    return tuple(narrow or fitting)


def _explains(flaw: Flaw, record: Record) -> bool:
    right = record.ledger
    perhaps = _Perhaps(right.currencies, right.rewards, right.either, flaw)
    judge = Judge(right, record.profile, record.opening)
    for group in record.groups:
        is_overlapping = len(group) > 1 or group[0].fault is not None or bool(judge.unsettled())
        judge.ledger = perhaps if is_overlapping else right
        violation = judge.see_together(group) if len(group) > 1 else judge.see(group[0])
        if violation is not None or judge.undecided:
            return False
    return True
