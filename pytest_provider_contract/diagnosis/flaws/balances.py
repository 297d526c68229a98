"""What replies say about the balance: old, early, late, or made up; and money that moves by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.checks import Answer
from pytest_provider_contract.diagnosis.flaw import (
    FLAWED,
    BalanceAside,
    Flaw,
    bets_of,
    delta,
    flaw,
    moves,
    succeeds,
    tells,
)
from pytest_provider_contract.diagnosis.record import Record
from pytest_provider_contract.history import Defect
from pytest_provider_contract.ledger import Branch, Fate, State
from pytest_provider_contract.profile import Kind, Status

# -- the balance from before ------------------------------------------------------------------------


class _Before(Flaw):
    """Reports the balance as it was before the money moved."""

    kind = Kind.BET

    def _known_player(self, state: State, callback: Callback) -> Iterator[Branch]:
        for branch in super()._known_player(state, callback):
            moved = callback.kind is self.kind and succeeds(branch) and delta(state, branch, callback.player_id)
            yield tells(branch, state.balances[callback.player_id]) if moved else branch


_READ_AFTER = "read the balance after the money has moved, within the same database transaction"


@flaw(
    "bet-reply-before-debit",
    "the reply to a bet is built before the debit and reports the old balance",
    _READ_AFTER,
    "D",
)
class BetReplyBeforeDebit(_Before):
    """The balance before the bet."""


@flaw(
    "win-reply-before-credit",
    "the reply to a win is built before the credit and reports the old balance",
    _READ_AFTER,
    "D",
)
class WinReplyBeforeCredit(_Before):
    """The balance before the win."""

    kind = Kind.WIN


@flaw(
    "rollback-reply-before-refund",
    "the reply to a rollback is built before the refund and reports the old balance",
    _READ_AFTER,
    "D",
)
class RollbackReplyBeforeRefund(_Before):
    """The balance before the refund."""

    kind = Kind.ROLLBACK


@flaw(
    "balance-less-open-stakes",
    "/balance takes the stakes of open bets off once more, as if they were only held",
    "report the balance that bets have been debited from",
    "T",
)
class BalanceLessOpenStakes(Flaw):
    """What is open counts twice."""

    def _known_player(self, state: State, callback: Callback) -> Iterator[Branch]:
        held = sum(bet.amount for _, bet in bets_of(state, callback.player_id, Fate.OPEN))
        for branch in super()._known_player(state, callback):
            asked = callback.kind is Kind.BALANCE
            yield tells(branch, state.balances[callback.player_id] - held) if asked else branch


# -- an old balance ---------------------------------------------------------------------------------


class _Past(Flaw):
    """Remembers what balances were, per player: pairs of player and minor units."""

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes the balances there were."""
        state = super().after(before, branch, callback, answer)
        return state.with_notes(before.notes | set(before.balances.items()) | self._fresh(callback, state))

    def _fresh(self, callback: Callback, state: State) -> set[object]:
        return set()

    def _known_player(self, state: State, callback: Callback) -> Iterator[Branch]:
        past = {n[1] for n in state.notes if isinstance(n, tuple) and n[0] == callback.player_id}
        for branch in super()._known_player(state, callback):
            if callback.kind is Kind.BALANCE and past:
                yield replace(branch, rule=FLAWED, balances=(branch.balances or frozenset()) | past)
            else:
                yield branch


@flaw(
    "balance-is-old",
    "/balance answers from a cache or a replica and reports money as it was",
    "read the account that bets, wins and rollbacks write, without a cache",
    "D",
)
class BalanceIsOld(_Past):
    """Any balance there has been."""


@flaw(
    "balance-is-old",
    "/balance answers from a cache or a replica and reports money as it was",
    "read the account that bets, wins and rollbacks write, without a cache",
    "D",
)
class BalanceIsVeryOld(BalanceAside):
    """A balance from before the history; the other callbacks tell the truth.

    Every wrong amount could be one that was told from an old balance. A cache that is there also
    answers a question with a balance of the same history, sooner or later.
    """

    steady = True
    shown_by = BalanceIsOld
    older: bool = False

    @classmethod
    def guesses(cls, record: Record) -> Iterator[Flaw]:
        """Takes more for granted than a balance that there has been."""
        yield cls.of(record, older=True)


@flaw(
    "bet-answered-before-commit",
    "a bet is answered before it is committed, so that what follows at once finds neither bet nor debit",
    "commit first, then reply",
    "D",
)
class BetAnsweredBeforeCommit(Flaw):
    """The bet takes effect some time after its reply; until then /balance tells an old balance."""

    shown_by = BalanceIsOld

    def branches(self, state: State, callback: Callback, defect: Defect | None = None) -> list[Branch]:
        """What follows from the state with and without the bets that are still to take effect."""
        found: list[Branch] = []
        for now in (state, *self._caught_up(state)):
            for branch in super().branches(now, callback, defect):
                if callback.kind is Kind.BET and succeeds(branch) and branch.state.balances != now.balances:
                    pending = now.with_notes(now.notes | {callback})
                    found.append(replace(branch, state=pending, rule=FLAWED))
                else:
                    found.append(branch)
        return found

    def _caught_up(self, state: State) -> Iterator[State]:
        pending = [note for note in state.notes if isinstance(note, Callback)]
        if pending:
            now = state.with_notes(frozenset())
            for bet in pending:
                now = next(iter(super().branches(now, bet))).state
            yield now


# -- made-up balances -------------------------------------------------------------------------------


@flaw("error-reports-zero", "error replies report a balance of 0", "report the player's balance, or leave it out", "D")
class ErrorReportsZero(Flaw):
    """No money in errors."""

    def branches(self, state: State, callback: Callback, defect: Defect | None = None) -> list[Branch]:
        """The right branches, split into what succeeds and what does not."""
        found: list[Branch] = []
        for branch in super().branches(state, callback, defect):
            errors = branch.statuses - {Status.SUCCESS}
            if succeeds(branch):
                found.append(replace(branch, statuses=frozenset({Status.SUCCESS})))
            if errors:
                found.append(replace(tells(branch, 0), statuses=errors))
        return found


@flaw(
    "declined-bet-reports-debit",
    "a declined bet reports the balance that it would have left, below zero",
    "report the balance as it is",
    "D",
)
class DeclinedBetReportsDebit(Flaw):
    """The balance less the amount."""

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        for branch in super()._new_bet(state, bet):
            declined = Status.INSUFFICIENT_BALANCE in branch.statuses
            yield tells(branch, state.balances[bet.player_id] - (bet.amount or 0)) if declined else branch


# -- money that moves by itself ---------------------------------------------------------------------


@flaw("balance-costs", "asking for the balance costs money", "let /balance only read", "T")
class BalanceCosts(Flaw):
    """A unit for every question, before or after the answer."""

    def _known_player(self, state: State, callback: Callback) -> Iterator[Branch]:
        for branch in super()._known_player(state, callback):
            if callback.kind is not Kind.BALANCE or not state.balances[callback.player_id]:
                yield branch
                continue
            charged = moves(branch, callback, -1)
            yield charged
            yield replace(charged, balances=branch.balances)

    def openings(self, told: State) -> Iterator[State]:
        """The first question may have cost something already."""
        yield told
        yield State({player: balance - 1 for player, balance in told.balances.items()})


@flaw(
    "money-moves-by-itself",
    "money moves without any callback, or somebody else plays with this player",
    "move money on callbacks only, and give the tests a player of their own",
    "D",
)
class MoneyMovesByItself(Flaw):
    """Two questions in a row get two answers."""

    def openings(self, told: State) -> Iterator[State]:
        """The opening balances were questions too."""
        yield told.with_notes(frozenset({Kind.BALANCE}))

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Takes over the balance that was told, and notes which callback was the last."""
        state = super().after(before, branch, callback, answer)
        if callback.kind is Kind.BALANCE and answer.balance is not None and callback.player_id in state.balances:
            state = state.moved(callback.player_id, answer.balance - state.balances[callback.player_id])
        return state.with_notes(frozenset({callback.kind}))

    def _known_player(self, state: State, callback: Callback) -> Iterator[Branch]:
        for branch in super()._known_player(state, callback):
            asked_twice = callback.kind is Kind.BALANCE and Kind.BALANCE in state.notes
            yield replace(branch, rule=FLAWED, balances=None) if asked_twice else branch
