"""Wins: what they pay, which bet they settle, and when they come too early."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.diagnosis.flaw import (
    FLAWED,
    Flaw,
    WrongAmount,
    bets_of,
    delta,
    flaw,
    gives,
    moves,
    named_bet,
    observed,
    part,
    refuses,
    succeeds,
)
from pytest_provider_contract.diagnosis.record import Record
from pytest_provider_contract.ledger import UNTOLD, BetRecord, Branch, Fate, State
from pytest_provider_contract.profile import Kind, Status

# -- the credit -------------------------------------------------------------------------------------


class Credit(Flaw, ABC):
    """Changes what becomes of a win of an open bet."""

    def _uncredited_win(
        self, state: State, win: Callback, bet: BetRecord | None, *, refused_before: bool
    ) -> Iterator[Branch]:
        for branch in super()._uncredited_win(state, win, bet, refused_before=refused_before):
            if bet is not None and bet.fate is Fate.OPEN and succeeds(branch):
                yield from self._credit(state, win, bet, branch)
            else:
                yield branch

    @abstractmethod
    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        """The answers to a win of an open bet in place of a right one."""


@flaw(
    "win-not-credited",
    "a win is answered with SUCCESS and remembered, but not credited",
    "credit the amount in the same database transaction that records the win",
    "D",
)
class WinNotCredited(Credit):
    """SUCCESS, and no money."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield moves(branch, win, -delta(state, branch, win.player_id))


@flaw(
    "win-less-stake",
    "a win is credited less the stake, as if the bet had not been debited yet",
    "credit the amount of the win; it is the whole payout",
    "D",
)
class WinLessStake(Credit):
    """The stake is kept."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield moves(branch, win, -min(win.amount or 0, bet.amount)) if not bet.free else branch


@flaw(
    "win-plus-stake",
    "a win gives the stake back on top of its amount",
    "credit the amount of the win; it is the whole payout",
    "D",
)
class WinPlusStake(Credit):
    """The stake is paid back."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield moves(branch, win, bet.amount)


@flaw(
    "zero-win-refused",
    "a win of amount 0 is treated as missing or invalid, so a lost bet stays open",
    "accept amount 0: it settles a lost bet",
    "T",
)
class ZeroWinRefused(Flaw):
    """A lost bet can't be settled."""

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        if win.amount == 0:
            yield refuses(state, win)
        else:
            yield from super()._win(state, win)


@flaw("win-credits-wrong-amount", "a win does not credit exactly its amount", "credit amount, no more and no less", "D")
class WinCreditsWrongAmount(WrongAmount, Credit):
    """Credits a function of the amount."""

    kind = Kind.WIN

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        amount = win.amount or 0
        yield moves(branch, win, self._excess(amount)) if amount else branch


@flaw(
    "win-taxed",
    "a part of what a win is above its stake is kept, as a tax or a commission",
    "credit the amount of the win; it is the whole payout",
    "D",
)
class WinTaxed(Credit):
    """So many hundredths of the profit are kept."""

    made_to_fit = True
    percent: int = 0

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """Whole percentages that make the observed credit."""
        exchange, _, states = record.breach()
        seen = set(observed(record, Kind.WIN))
        if exchange is not None and seen:
            stakes = {bet.amount for state in states if (bet := named_bet(state, exchange.callback)) is not None}
            rates = (
                percent
                for percent in range(1, 100)
                if any(right - _tax(right - stake, percent) == paid for right, paid in seen for stake in stakes)
            )
            yield from cls.each_of(record, percent=rates)

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield moves(branch, win, -_tax((win.amount or 0) - bet.amount, self.percent))


def _tax(profit: int, percent: int) -> int:
    return max(profit, 0) * percent // 100


@flaw(
    "win-added-to-balance-of-bet",
    "a win sets the balance to what it was after the bet plus the win, so whatever moved in between is undone",
    "add the win to the balance as it is now",
    "D",
)
class WinAddedToBalanceOfBet(Credit):
    """The bet's reply is taken for the present."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        passed = 0 if bet.reported in (None, UNTOLD) else bet.reported - state.balances[win.player_id]
        yield moves(branch, win, passed)


@flaw(
    "win-refused-but-credited",
    "a win is answered with an error although it is credited",
    "answer what happened: SUCCESS once the money is there",
    "D",
)
class WinRefusedButCredited(Credit):
    """An error, and the money is there."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield replace(branch, statuses=refuses(state, win).statuses, rule=FLAWED)


@flaw(
    "win-not-recorded",
    "a win is credited but its transactionId is not kept, so a retry credits again",
    "record the win and credit it in one database transaction, committed before the reply",
    "D",
)
class WinNotRecorded(Credit):
    """The money moves, the record is missing."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield gives(state.moved(win.player_id, win.amount or 0), win, Status.SUCCESS)


@flaw("every-win-refused", "every win is refused", "look into the operator's log why", "D")
class EveryWinRefused(Credit):
    """No win is paid."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield refuses(state, win)


@flaw(
    "win-refused-at-zero-balance",
    "a win is refused while the balance is 0, so the player who has bet everything is never paid",
    "a win needs no money on the account",
    "D",
)
class WinRefusedAtZeroBalance(Credit):
    """Who has nothing wins nothing."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield branch if state.balances[win.player_id] else refuses(state, win)


# -- which bet it settles ---------------------------------------------------------------------------


class _OneWinEach(Flaw):
    """Refuses the win of a bet that is settled already, as the contract leaves open."""

    def _uncredited_win(
        self, state: State, win: Callback, bet: BetRecord | None, *, refused_before: bool
    ) -> Iterator[Branch]:
        if bet is not None and bet.fate is Fate.SETTLED:
            yield refuses(state, win)
        else:
            yield from super()._uncredited_win(state, win, bet, refused_before=refused_before)


@flaw(
    "wins-matched-in-order",
    "a win settles the oldest open bet of its round, whichever it names",
    "settle the bet that referenceTransactionId names",
    "T",
)
class WinsMatchedInOrder(_OneWinEach, Credit):
    """The oldest is settled, the named one stays open."""

    newest = False

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        found = bets_of(state, win.player_id, Fate.OPEN, round_id=part(bet, "round_id"))
        id_, chosen = found[-1 if self.newest else 0]
        if id_ == win.reference_id:
            yield branch
        else:
            after = branch.state.with_bet(win.reference_id or "", bet).with_bet(id_, replace(chosen, fate=Fate.SETTLED))
            yield gives(after, win, Status.SUCCESS)


@flaw(
    "wins-matched-to-newest",
    "a win settles the newest open bet of its round, whichever it names",
    "settle the bet that referenceTransactionId names",
    "T",
)
class WinsMatchedToNewest(WinsMatchedInOrder):
    """The newest is settled, the named one stays open."""

    newest = True


@flaw(
    "win-settles-whole-round",
    "a win settles every bet of its round, so the wins of the others are refused",
    "settle only the bet that referenceTransactionId names",
    "T",
)
class WinSettlesWholeRound(_OneWinEach, Credit):
    """All open bets of the round are closed."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        after = branch.state
        if self._settles(win):
            for id_, other in bets_of(state, win.player_id, Fate.OPEN, round_id=part(bet, "round_id")):
                after = after.with_bet(id_, replace(other, fate=Fate.SETTLED))
        yield gives(after, win, Status.SUCCESS)

    def _settles(self, win: Callback) -> bool:
        return True


@flaw(
    "closing-win-settles-whole-round",
    "a win with roundClosed settles every bet of its round although the others' wins are still on their way",
    "settle only the bet that referenceTransactionId names; callbacks overtake each other",
    "T",
)
class ClosingWinSettlesWholeRound(WinSettlesWholeRound):
    """All open bets of a closed round are closed."""

    def _settles(self, win: Callback) -> bool:
        return bool(win.round_closed)


@flaw(
    "closing-rollback-ends-whole-round",
    "a rollback with roundClosed ends every bet of its round although the others' wins are still on their way",
    "refund only the bet that referenceTransactionId names; callbacks overtake each other",
    "T",
)
class ClosingRollbackEndsWholeRound(_OneWinEach):
    """All open bets of a closed round are closed."""

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        named = named_bet(state, rollback)
        for branch in super()._rollback_cases(state, rollback):
            if named is not None and named.fate is Fate.OPEN and rollback.round_closed and succeeds(branch):
                after = branch.state
                for id_, other in bets_of(after, rollback.player_id, Fate.OPEN, round_id=part(named, "round_id")):
                    after = after.with_bet(id_, replace(other, fate=Fate.SETTLED))
                yield replace(branch, state=after, rule=FLAWED)
            else:
                yield branch


@flaw(
    "wins-only-oldest-first",
    "the bets of a round must be won in the order of their arrival",
    "accept wins in any order",
    "T",
)
class WinsOnlyOldestFirst(Credit):
    """A win out of order is refused."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        oldest = bets_of(state, win.player_id, Fate.OPEN, round_id=part(bet, "round_id"))[0][0]
        yield branch if oldest == win.reference_id else refuses(state, win)


@flaw(
    "win-in-round-with-refund-refused",
    "once one bet of a round is rolled back, the wins of its other bets are refused",
    "judge each bet by itself; a round may hold several",
    "T",
)
class WinInRoundWithRefundRefused(Credit):
    """A refund cancels the round."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        rolled_back = bets_of(state, win.player_id, Fate.REFUNDED, round_id=part(bet, "round_id"))
        yield refuses(state, win) if any(self._cancels(other) for _, other in rolled_back) else branch

    def _cancels(self, rolled_back: BetRecord) -> bool:
        return True


@flaw(
    "free-bet-rollback-cancels-round",
    "once a free bet of a round is rolled back, the wins of the round's other bets are refused",
    "judge each bet by itself; a round may hold several",
    "D",
)
class FreeBetRollbackCancelsRound(WinInRoundWithRefundRefused):
    """A free bet's rollback cancels the round."""

    def _cancels(self, rolled_back: BetRecord) -> bool:
        return rolled_back.free


@flaw(
    "new-bet-forfeits-open-bet",
    "a player has one open bet: with the next one the wins of the one before are refused",
    "keep every bet open until its own win or rollback",
    "T",
)
class NewBetForfeitsOpenBet(_OneWinEach):
    """The next bet closes the one before."""

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        for branch in super()._new_bet(state, bet):
            after = branch.state
            if succeeds(branch):
                for id_, other in bets_of(state, bet.player_id, Fate.OPEN):
                    after = after.with_bet(id_, replace(other, fate=Fate.SETTLED))
            yield replace(branch, state=after)


@flaw(
    "zero-win-leaves-bet-open",
    "a win of amount 0 succeeds but does not settle its bet, which a rollback then refunds",
    "settle the bet whatever the amount",
    "T",
)
class ZeroWinLeavesBetOpen(Credit):
    """A lost bet stays open."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        opened = branch.state.with_bet(win.reference_id or "", bet)
        yield gives(opened, win, Status.SUCCESS) if not win.amount else branch


@flaw(
    "open-round-win-not-credited",
    "a win with roundClosed false is answered with SUCCESS but waits for a closing to be paid",
    "credit every win at once, whatever roundClosed says",
    "D",
)
class OpenRoundWinNotCredited(Credit):
    """SUCCESS, and no money."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield branch if win.round_closed else moves(branch, win, -(win.amount or 0))


@flaw(
    "open-round-win-refused",
    "a win with roundClosed false is refused",
    "credit every win, whatever roundClosed says",
    "D",
)
class OpenRoundWinRefused(Credit):
    """Only closing wins are paid."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield branch if win.round_closed else refuses(state, win)


@flaw(
    "dead-bet-won",
    "the win of a declined or rolled back bet is credited",
    "credit a win only if its bet was accepted and is still open",
    "I",
)
class DeadBetWon(Flaw):
    """A win without a stake."""

    dead: ClassVar[frozenset[Fate]] = frozenset({Fate.DECLINED, Fate.REFUNDED, Fate.VOID})

    def _uncredited_win(
        self, state: State, win: Callback, bet: BetRecord | None, *, refused_before: bool
    ) -> Iterator[Branch]:
        if bet is not None and bet.fate in self.dead:
            yield self._credited(state, win, FLAWED)
        else:
            yield from super()._uncredited_win(state, win, bet, refused_before=refused_before)


@flaw("declined-bet-won", "the win of a declined bet is credited", "credit a win only if its bet was accepted", "I")
class DeclinedBetWon(DeadBetWon):
    """A win without a stake, but not after a rollback."""

    dead = frozenset({Fate.DECLINED})


@flaw(
    "free-bet-win-not-credited",
    "a free bet's win is answered with SUCCESS but not credited, as if it were bonus money",
    "credit it to the balance: a free bet's win is real money",
    "D",
)
class FreeBetWinNotCredited(Credit):
    """The money goes elsewhere."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield moves(branch, win, -(win.amount or 0)) if bet.free else branch


@flaw(
    "free-bet-win-cut",
    "a free bet's win is credited less the reward's face value",
    "credit exactly the amount of the win",
    "D",
)
class FreeBetWinCut(Credit):
    """The face value is kept."""

    made_to_fit = True
    cut: int = 0

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """The cut that was seen."""
        return cls.each_of(record, cut=(right - seen for right, seen in observed(record, Kind.WIN) if right > seen))

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield moves(branch, win, -min(win.amount or 0, self.cut)) if bet.free else branch


# -- a win before its bet ---------------------------------------------------------------------------


class _Early(Flaw, ABC):
    """Does something to a win whose bet has not arrived."""

    def _uncredited_win(
        self, state: State, win: Callback, bet: BetRecord | None, *, refused_before: bool
    ) -> Iterator[Branch]:
        # A wallet may keep nothing of a bet that it declined.
        declined = bet is not None and bet.fate is Fate.DECLINED
        if bet is None or declined:
            yield from self._before_its_bet(state, win)
        if bet is not None:
            yield from super()._uncredited_win(state, win, bet, refused_before=refused_before)

    @abstractmethod
    def _before_its_bet(self, state: State, win: Callback) -> Iterator[Branch]:
        """The answers to a win whose bet has not arrived."""


_TRUE_ANSWER = "refuse it with an error so that it is retried, or credit it"


@flaw(
    "early-win-dropped",
    "a win that comes before its bet is answered with SUCCESS but neither credited nor kept",
    _TRUE_ANSWER,
    "D",
)
class EarlyWinDropped(_Early):
    """SUCCESS, and nothing else."""

    def _before_its_bet(self, state: State, win: Callback) -> Iterator[Branch]:
        yield gives(state, win, Status.SUCCESS)


@flaw(
    "early-win-lost",
    "a win that comes before its bet is answered with SUCCESS and kept as paid, but never credited",
    _TRUE_ANSWER,
    "D",
)
class EarlyWinLost(_Early):
    """SUCCESS, and its retry is a replay."""

    def _before_its_bet(self, state: State, win: Callback) -> Iterator[Branch]:
        yield moves(self._credited(state, win, FLAWED, early=True), win, -(win.amount or 0))


@flaw(
    "early-win-refused-but-credited",
    "a win that comes before its bet is refused, but credited all the same",
    "decide before the money moves; an error must move nothing",
    "D",
)
class EarlyWinRefusedButCredited(_Early):
    """An error, and the money is there."""

    def _before_its_bet(self, state: State, win: Callback) -> Iterator[Branch]:
        # What a retry finds depends on what was kept.
        for after in (
            self._credited(state, win, FLAWED, early=True).state,
            state.moved(win.player_id, win.amount or 0),
        ):
            yield gives(after, win, *refuses(state, win).statuses)


@flaw(
    "early-win-settles-open-bet-of-round",
    "a win that comes before its bet settles an open bet of the round, whose own win is then refused",
    "settle only the bet that referenceTransactionId names, even if it is not there yet",
    "D",
)
class EarlyWinSettlesOpenBetOfRound(_OneWinEach):
    """Credited, and another bet of the round is settled."""

    def _uncredited_win(
        self, state: State, win: Callback, bet: BetRecord | None, *, refused_before: bool
    ) -> Iterator[Branch]:
        others = bets_of(state, win.player_id, Fate.OPEN, round_id=win.round_id)
        if bet is None and others:
            credited = self._credited(state, win, FLAWED, early=True)
            id_, other = others[0]
            settled = credited.state.with_bet(id_, replace(other, fate=Fate.SETTLED))
            yield replace(credited, state=settled)
        else:
            yield from super()._uncredited_win(state, win, bet, refused_before=refused_before)


@flaw(
    "refused-win-stays-refused",
    "a win that was refused before its bet is refused for ever",
    "look the bet up anew at every retry",
    "D",
)
class RefusedWinStaysRefused(_Early):
    """Refused again after the bet."""

    def _before_its_bet(self, state: State, win: Callback) -> Iterator[Branch]:
        yield self._refused(state, win, FLAWED, early=True)

    def _uncredited_win(
        self, state: State, win: Callback, bet: BetRecord | None, *, refused_before: bool
    ) -> Iterator[Branch]:
        known = state.wins.get(win.transaction_id or "")
        if known is not None and known.early and not known.credited:
            yield refuses(state, win)
        else:
            yield from super()._uncredited_win(state, win, bet, refused_before=refused_before)


@flaw(
    "refused-win-succeeds-on-retry",
    "the retry of a refused win gets SUCCESS and is not credited: its transactionId was noted before it was judged",
    "note a transactionId only with what became of it",
    "D",
)
class RefusedWinSucceedsOnRetry(Flaw):
    """SUCCESS for the win of a bet that was rolled back, and no money."""

    def _uncredited_win(
        self, state: State, win: Callback, bet: BetRecord | None, *, refused_before: bool
    ) -> Iterator[Branch]:
        if bet is not None and bet.fate is not Fate.OPEN and refused_before:
            yield gives(state, win, Status.SUCCESS)
        else:
            yield from super()._uncredited_win(state, win, bet, refused_before=refused_before)


@flaw(
    "early-win-credited-twice",
    "a win that came before its bet is credited again when it is retried after the bet",
    "recognise a win by its transactionId, whatever has become of its bet",
    "T",
)
class EarlyWinCreditedTwice(Flaw):
    """Credited once before, once after."""

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        for branch in super()._new_bet(state, bet):
            record = branch.state.bets.get(bet.transaction_id or "")
            if succeeds(branch) and record is not None and record.fate is Fate.SETTLED:
                opened = branch.state.with_bet(bet.transaction_id or "", replace(record, fate=Fate.OPEN))
                yield replace(branch, state=opened)
            else:
                yield branch

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        known, bet = state.wins.get(win.transaction_id or ""), named_bet(state, win)
        if known is not None and known.credited and known.early and bet is not None and bet.fate is Fate.OPEN:
            yield replace(self._credited(state, win, FLAWED), rule=FLAWED)
        else:
            yield from super()._win(state, win)


@flaw(
    "bet-after-its-win-free",
    "a bet whose win came first is accepted but not debited",
    "debit every accepted bet; its win may have overtaken it",
    "D",
)
class BetAfterItsWinFree(Flaw):
    """The late bet costs nothing."""

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        early = any(w.reference_id == bet.transaction_id and w.player_id == bet.player_id for w in state.wins.values())
        for branch in super()._new_bet(state, bet):
            yield moves(branch, bet, -delta(state, branch, bet.player_id)) if early and succeeds(branch) else branch
