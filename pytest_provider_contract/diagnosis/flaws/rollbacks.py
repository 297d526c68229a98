"""Rollbacks: which bet they refund, how much of it, how often, and what if it is not there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.checks import Answer
from pytest_provider_contract.diagnosis.flaw import (
    FLAWED,
    Flaw,
    WrongAmount,
    accepted,
    bets_of,
    buries,
    flaw,
    gives,
    moves,
    named_bet,
    observed,
    part,
    refuses,
)
from pytest_provider_contract.diagnosis.record import Record
from pytest_provider_contract.history import Defect
from pytest_provider_contract.ledger import UNTOLD, BetRecord, Branch, Fate, State
from pytest_provider_contract.profile import Kind, Status

# -- repetitions ------------------------------------------------------------------------------------


class _Repeated(Flaw):
    """Does something to the rollback of a bet that is rolled back already."""

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        bet = named_bet(state, rollback)
        if bet is not None and bet.fate is Fate.REFUNDED and self._falls_for(state, rollback):
            yield self._repeat(state, rollback, bet)
        else:
            yield from super()._rollback_cases(state, rollback)

    def _falls_for(self, state: State, rollback: Callback) -> bool:
        return True

    def _repeat(self, state: State, rollback: Callback, bet: BetRecord) -> Branch:
        return self._refunded(state, rollback, bet, FLAWED)


class _NewIdOnly(_Repeated):
    def _falls_for(self, state: State, rollback: Callback) -> bool:
        return (rollback.transaction_id or "") not in state.rollbacks


@flaw(
    "rollback-keyed-on-transaction-id",
    "rollbacks are deduplicated on transactionId, which every retry has anew, so that each retry refunds again",
    "use referenceTransactionId",
    "T",
)
class RollbackKeyedOnTransactionId(_NewIdOnly):
    """A rollback with a new transactionId refunds again."""


@flaw(
    "rollback-not-deduplicated",
    "a rollback refunds however often it comes",
    "remember which bets are rolled back, by referenceTransactionId, and answer SUCCESS without moving money",
    "T",
)
class RollbackNotDeduplicated(_Repeated):
    """Every rollback refunds."""


@flaw(
    "rollback-third-time-refunds",
    "only the first retry of a rollback is recognised, further ones refund again",
    "mark the bet itself as rolled back, for ever",
    "T",
)
class RollbackThirdTimeRefunds(_Repeated):
    """The second retry and later ones refund again."""

    def _falls_for(self, state: State, rollback: Callback) -> bool:
        return rollback.reference_id in state.notes

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        bet = named_bet(state, rollback)
        for branch in super()._rollback_cases(state, rollback):
            if bet is not None and bet.fate is Fate.REFUNDED:
                noted = branch.state.with_notes(branch.state.notes | {rollback.reference_id})
                yield replace(branch, state=noted)
            else:
                yield branch


@flaw(
    "rollback-repeat-with-new-id-refused",
    "a repeated rollback is recognised only by its transactionId, and with a new one it gets an error",
    "look the bet up by referenceTransactionId and answer SUCCESS if it is rolled back already",
    "T",
)
class RollbackRepeatWithNewIdRefused(_NewIdOnly):
    """A repetition with a new transactionId gets an error."""

    def _repeat(self, state: State, rollback: Callback, bet: BetRecord) -> Branch:
        return refuses(state, rollback)


@flaw(
    "rollback-repeat-refused",
    "a rollback of a bet that is rolled back already gets an error, so the provider retries for ever",
    "answer SUCCESS: what it asks for is done",
    "T",
)
class RollbackRepeatRefused(_Repeated):
    """A repetition gets an error."""

    def _repeat(self, state: State, rollback: Callback, bet: BetRecord) -> Branch:
        return refuses(state, rollback)


# -- how much ---------------------------------------------------------------------------------------


class Refund(Flaw, ABC):
    """Refunds a bet in another way."""

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        bet = named_bet(state, rollback)
        if bet is not None and bet.fate is Fate.OPEN and not bet.free:
            yield from self._refund_of(state, rollback, bet)
        else:
            yield from super()._rollback_cases(state, rollback)

    @abstractmethod
    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        """The answers to the rollback of an open bet."""


@flaw(
    "refund-nothing",
    "a rollback marks the bet and answers SUCCESS, but the stake is not paid back",
    "credit the bet's own amount in the same database transaction",
    "T",
)
class RefundNothing(Refund):
    """SUCCESS, and no money."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        yield moves(self._refunded(state, rollback, bet, FLAWED), rollback, -bet.amount)


@flaw(
    "refund-wrong-amount",
    "a rollback does not refund the referenced bet's own amount",
    "look the bet up by referenceTransactionId and refund what it debited; a rollback carries no amount",
    "T",
)
class RefundWrongAmount(WrongAmount, Refund):
    """Refunds a function of the stake."""

    kind = Kind.ROLLBACK

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        yield moves(self._refunded(state, rollback, bet, FLAWED), rollback, self._excess(bet.amount))


@flaw(
    "rollback-refused",
    "every rollback is refused, as by a handler that wants an amount or a transaction known by the rollback's own id",
    "expect no amount in a rollback; look the bet up by referenceTransactionId",
    "T",
)
class RollbackRefused(Flaw):
    """No rollback succeeds."""

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        yield refuses(state, rollback)


# -- which bet --------------------------------------------------------------------------------------


class _Another(Refund):
    """Refunds another open bet than the one that is named, and marks either of the two."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        id_, chosen = self._choose(bets_of(state, rollback.player_id, Fate.OPEN), bet)
        yield self._refunded(state, replace(rollback, reference_id=id_), chosen, FLAWED)
        if chosen != bet:
            yield moves(self._refunded(state, rollback, bet, FLAWED), rollback, chosen.amount - bet.amount)

    @abstractmethod
    def _choose(self, open_bets: list[tuple[str, BetRecord]], named: BetRecord) -> tuple[str, BetRecord]:
        """The bet that is refunded, with its transactionId."""


def _of_round(open_bets: list[tuple[str, BetRecord]], named: BetRecord) -> list[tuple[str, BetRecord]]:
    return [found for found in open_bets if part(found[1], "round_id") == part(named, "round_id")]


_BY_REFERENCE = "look the bet up by referenceTransactionId"


@flaw("refund-of-newest-bet", "a rollback refunds the player's newest bet, whichever it names", _BY_REFERENCE, "T")
class RefundOfNewestBet(_Another):
    """The newest open bet is refunded."""

    def _choose(self, open_bets: list[tuple[str, BetRecord]], named: BetRecord) -> tuple[str, BetRecord]:
        return open_bets[-1]


@flaw(
    "refund-of-first-bet-of-round",
    "a rollback refunds the first bet of the round, whichever it names",
    _BY_REFERENCE,
    "T",
)
class RefundOfFirstBetOfRound(_Another):
    """The first open bet of the round is refunded."""

    def _choose(self, open_bets: list[tuple[str, BetRecord]], named: BetRecord) -> tuple[str, BetRecord]:
        return _of_round(open_bets, named)[0]


@flaw(
    "refund-of-largest-bet-of-round",
    "a rollback refunds the largest bet of the round, whichever it names",
    _BY_REFERENCE,
    "T",
)
class RefundOfLargestBetOfRound(_Another):
    """The largest open bet of the round is refunded."""

    def _choose(self, open_bets: list[tuple[str, BetRecord]], named: BetRecord) -> tuple[str, BetRecord]:
        return max(_of_round(open_bets, named), key=lambda found: found[1].amount)


@flaw(
    "refund-of-whole-round",
    "a rollback refunds every open bet of the round",
    "refund only the bet that referenceTransactionId names",
    "T",
)
class RefundOfWholeRound(Refund):
    """All open bets of the round are refunded."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        branch = self._refunded(state, rollback, bet, FLAWED)
        for id_, other in bets_of(state, rollback.player_id, Fate.OPEN, round_id=part(bet, "round_id")):
            if id_ != rollback.reference_id:
                also = self._refunded(branch.state, replace(rollback, reference_id=id_), other, FLAWED)
                branch = gives(also.state, rollback, Status.SUCCESS)
        yield branch


@flaw(
    "rollback-restores-old-balance",
    "a rollback sets the balance to what it was before the bet, so whatever moved since is undone",
    "add the bet's own amount to the balance as it is now",
    "T",
)
class RollbackRestoresOldBalance(Refund):
    """The balance before the bet comes back."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        passed = 0 if bet.reported in (None, UNTOLD) else bet.reported - state.balances[rollback.player_id]
        yield moves(self._refunded(state, rollback, bet, FLAWED), rollback, passed)


@flaw(
    "rollback-refused-at-zero-balance",
    "a rollback is refused while the balance is 0, so the player who has bet everything gets nothing back",
    "a rollback needs no money on the account",
    "D",
)
class RollbackRefusedAtZeroBalance(Refund):
    """Who has nothing gets nothing back."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        refunded = self._refunded(state, rollback, bet, FLAWED)
        yield refunded if state.balances[rollback.player_id] else refuses(state, rollback)


@flaw(
    "rollback-in-closed-round-refused",
    "once a round is closed, its open bets can't be rolled back",
    "refund all the same: callbacks overtake each other",
    "T",
)
class RollbackInClosedRoundRefused(Refund):
    """A closed round stays as it is, whatever closed it or only if a win did."""

    by_win: bool = False

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """Closed by any callback, or by a win."""
        return cls.each_of(record, by_win=(False, True))

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes the rounds that wins closed."""
        state = super().after(before, branch, callback, answer)
        closes = callback.kind is Kind.WIN and callback.round_closed and answer.status is Status.SUCCESS
        return state.with_notes(state.notes | {callback.round_id}) if closes else state

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        closed = part(bet, "round_id") in (state.notes if self.by_win else state.closed)
        yield refuses(state, rollback) if closed else self._refunded(state, rollback, bet, FLAWED)


@flaw(
    "only-newest-bet-rolled-back",
    "a bet can be rolled back only until the player's next one",
    "any open bet can be rolled back, however many came after it",
    "T",
)
class OnlyNewestBetRolledBack(Refund):
    """An older bet's rollback is refused."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        newest = accepted(state, rollback)[-1][0] == rollback.reference_id
        yield self._refunded(state, rollback, bet, FLAWED) if newest else refuses(state, rollback)


@flaw(
    "rollback-in-round-with-win-refused",
    "once one bet of a round is won, its other bets can't be rolled back",
    "judge each bet by itself; a round may hold several",
    "T",
)
class RollbackInRoundWithWinRefused(Refund):
    """A won bet of the round blocks the rollback."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        won = any(
            w.credited and (w.player_id, w.content[2]) == (rollback.player_id, part(bet, "round_id"))
            for w in state.wins.values()
        )
        yield refuses(state, rollback) if won else self._refunded(state, rollback, bet, FLAWED)


@flaw(
    "rollback-keyed-on-round",
    "a rollback is taken for a retry once another bet of its round is rolled back, so the stake is kept",
    "recognise rollbacks by referenceTransactionId",
    "T",
)
class RollbackKeyedOnRound(Refund):
    """One refund a round: of the player's own bets, of other players', or of everybody's."""

    whose: str = "own"

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """Rounds of one player, and rounds that players share."""
        return cls.each_of(record, whose=("own", "others", "all"))

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        own = {rollback.player_id}
        asked = {"own": own, "others": set(state.balances) - own, "all": set(state.balances)}[self.whose]
        round_id = part(bet, "round_id")
        if any(bets_of(state, player, Fate.REFUNDED, round_id=round_id) for player in asked):
            yield gives(state, rollback, Status.SUCCESS)
        else:
            yield self._refunded(state, rollback, bet, FLAWED)


class _RoundClosed(Refund):
    refused_when: bool

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        wrong = bool(rollback.round_closed) is self.refused_when
        yield refuses(state, rollback) if wrong else self._refunded(state, rollback, bet, FLAWED)


@flaw(
    "rollback-closing-round-refused",
    "a rollback with roundClosed true is refused",
    "roundClosed only says that no more will follow; refund all the same",
    "D",
)
class RollbackClosingRoundRefused(_RoundClosed):
    """Refused if the round is closed by it."""

    refused_when = True


@flaw(
    "rollback-in-open-round-refused",
    "a rollback with roundClosed false is refused",
    "roundClosed only says whether more will follow; refund all the same",
    "D",
)
class RollbackInOpenRoundRefused(_RoundClosed):
    """Refused if the round stays open."""

    refused_when = False


class _NothingToRefund(Flaw):
    """Refuses the rollback of an open bet that cost nothing."""

    free = True

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        bet = named_bet(state, rollback)
        if bet is not None and bet.fate is Fate.OPEN and bet.free is self.free and not bet.amount:
            yield refuses(state, rollback)
        else:
            yield from super()._rollback_cases(state, rollback)


@flaw(
    "free-bet-rollback-refused",
    "the rollback of a free bet gets an error because there is nothing to refund, so the provider retries for ever",
    "answer SUCCESS and move nothing",
    "D",
)
class FreeBetRollbackRefused(_NothingToRefund):
    """An error for a free bet."""


@flaw(
    "zero-bet-rollback-refused",
    "the rollback of a bet of amount 0 gets an error because there is nothing to refund",
    "answer SUCCESS and move nothing",
    "T",
)
class ZeroBetRollbackRefused(_NothingToRefund):
    """An error for a bet of nothing."""

    free = False


# -- a bet that is not there ------------------------------------------------------------------------


@flaw(
    "no-tombstone",
    "a rollback of a bet that has not arrived succeeds and is forgotten, so the late bet debits",
    "remember the referenceTransactionId and let the late bet cost nothing, or answer the rollback with an error",
    "I",
)
class NoTombstone(Flaw):
    """The late bet is taken for a new one."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        if known is not None and known.content is None and known.promised_to(bet.player_id) is not None:
            yield from map(_as_flaw, self._new_bet(state, bet))
        else:
            yield from super()._bet(state, bet)


def _as_flaw(branch: Branch) -> Branch:
    return replace(branch, rule=FLAWED) if branch.rule else branch


@flaw(
    "tombstone-used-up",
    "a rollback before its bet stops the late bet once, and the bet's retry debits",
    "keep the tombstone for ever",
    "I",
)
class TombstoneUsedUp(Flaw):
    """The second arrival of the late bet is taken for a new one."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        if known is not None and known.content is not None and known.fate is Fate.VOID:
            yield from map(_as_flaw, self._new_bet(state, bet))
        else:
            yield from super()._bet(state, bet)


@flaw(
    "late-bet-refused-but-debited",
    "a bet that arrives after its rollback is answered with an error but debited",
    "decide and debit in one database transaction, and undo it before answering with an error",
    "D",
)
class LateBetRefusedButDebited(Flaw):
    """An error, and the money is gone, at every arrival."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        yield from super()._bet(state, bet)
        if known is not None and known.content is not None and known.fate is Fate.VOID:
            yield self._arrived_void(state, bet, known, frozenset(Status))

    def _arrived_void(self, state: State, bet: Callback, known: BetRecord, statuses: frozenset[Status]) -> Branch:
        right = super()._arrived_void(state, bet, known, statuses)
        errors = frozenset(statuses - {Status.SUCCESS})
        return replace(moves(right, bet, -min(bet.amount or 0, state.balances[bet.player_id])), statuses=errors)


@flaw(
    "refused-rollback-stays-refused",
    "a rollback that was refused before its bet is refused for ever",
    "look the bet up anew at every retry",
    "T",
)
class RefusedRollbackStaysRefused(Refund):
    """Refused again after the bet."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        yield refuses(state, rollback) if bet.shunned else self._refunded(state, rollback, bet, FLAWED)


@flaw(
    "refused-rollback-counts-as-done",
    "a rollback that was refused before its bet is remembered as done, so its retry gets SUCCESS without a refund",
    "remember a rollback only once it has refunded",
    "T",
)
class RefusedRollbackCountsAsDone(Refund):
    """SUCCESS after the bet, and no money."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        branch = self._refunded(state, rollback, bet, FLAWED)
        yield moves(branch, rollback, -bet.amount) if bet.shunned else branch


@flaw(
    "tombstone-of-whole-round",
    "a rollback of an unknown bet voids every later bet of its round",
    "void only the bet that referenceTransactionId names",
    "I",
)
class TombstoneOfWholeRound(Flaw):
    """Later bets of the round cost nothing."""

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes the rounds of rollbacks that found no bet."""
        state = super().after(before, branch, callback, answer)
        if buries(before, callback, answer):
            return state.with_notes(state.notes | {callback.round_id})
        return state

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        if bet.round_id in state.notes:
            void = self._declined(state, bet, frozenset({Status.UNKNOWN}), None).state
            yield gives(void, bet, *Status)
            # It may be kept as if it had been paid.
            id_ = bet.transaction_id or ""
            opened = replace(void.bets[id_], fate=Fate.OPEN, amount=bet.amount or 0)
            yield gives(void.with_bet(id_, opened), bet, Status.SUCCESS)
        else:
            yield from super()._new_bet(state, bet)


@flaw(
    "one-tombstone-per-round",
    "of a round's bets that are rolled back before they come only the first is remembered, the next one debits",
    "keep a tombstone for each referenceTransactionId",
    "D",
)
class OneTombstonePerRound(Flaw):
    """The second tombstone of a round is not kept."""

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes the first bet of a round whose rollback found nothing."""
        state = super().after(before, branch, callback, answer)
        if buries(before, callback, answer) and self._first(state, callback) is None:
            return state.with_notes(state.notes | {(callback.round_id, callback.reference_id)})
        return state

    def _first(self, state: State, rollback: Callback) -> str | None:
        return next((n[1] for n in state.notes if isinstance(n, tuple) and n[0] == rollback.round_id), None)

    def _unseen_rollback(self, state: State, rollback: Callback, bet: BetRecord | None) -> Iterator[Branch]:
        if self._first(state, rollback) not in {None, rollback.reference_id}:
            yield gives(state, rollback, Status.SUCCESS)
        else:
            yield from super()._unseen_rollback(state, rollback, bet)


class _OfUnknown(Flaw, ABC):
    """Does something to a rollback of a bet that never arrived."""

    def _unseen_rollback(self, state: State, rollback: Callback, bet: BetRecord | None) -> Iterator[Branch]:
        if (rollback.reference_id or "") in state.wins:
            yield from super()._unseen_rollback(state, rollback, bet)
        else:
            yield from self._instead(state, rollback)

    @abstractmethod
    def _instead(self, state: State, rollback: Callback) -> Iterator[Branch]:
        """The answers to a rollback whose bet is unknown."""


@flaw(
    "unknown-rollback-refunds-last-bet",
    "a rollback of an unknown bet refunds the player's last bet instead",
    "refund only the bet that referenceTransactionId names; there may be none",
    "T",
)
class UnknownRollbackRefundsLastBet(_OfUnknown):
    """The newest open bet is refunded."""

    def _instead(self, state: State, rollback: Callback) -> Iterator[Branch]:
        if found := bets_of(state, rollback.player_id, Fate.OPEN):
            id_, newest = found[-1]
            yield self._refunded(state, replace(rollback, reference_id=id_), newest, FLAWED)
        else:
            yield gives(state, rollback, *Status)


@flaw(
    "unknown-rollback-credits",
    "a rollback of an unknown bet credits money that was never debited",
    "without a bet of that referenceTransactionId there is nothing to refund",
    "D",
)
class UnknownRollbackCredits(_OfUnknown):
    """Money for a bet that never was."""

    amount: int | None = None

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """The last bet's amount, or a fixed one."""
        yield cls.of(record)
        paid = (seen for right, seen in observed(record, Kind.ROLLBACK) if right == 0 < seen)
        yield from cls.each_of(record, amount=paid)

    def _instead(self, state: State, rollback: Callback) -> Iterator[Branch]:
        found = accepted(state, rollback)
        if self.amount is None and not found:
            # The last bet came before the history: only the answer tells how much it was.
            yield replace(gives(state, rollback, Status.SUCCESS), balances=None)
        else:
            amount = self.amount if self.amount is not None else found[-1][1].amount
            yield moves(gives(state, rollback, Status.SUCCESS), rollback, amount)

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Takes over what the answer told."""
        state = super().after(before, branch, callback, answer)
        untold = branch.rule == FLAWED and branch.balances is None and callback.kind is Kind.ROLLBACK
        if not untold or answer.balance is None or callback.player_id not in state.balances:
            return state
        return state.moved(callback.player_id, answer.balance - state.balances[callback.player_id])


@flaw(
    "declined-bet-refunded",
    "the rollback of a declined bet pays back a stake that was never debited",
    "refund only what was debited; a declined bet cost nothing",
    "D",
)
class DeclinedBetRefunded(Flaw):
    """The declined bet's amount is credited, whatever it was declined for or only for, or not for, its currency."""

    of_currency: bool | None = None

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """A bet in a currency of its own is often declined elsewhere than one above the balance."""
        return cls.each_of(record, of_currency=(None, True, False))

    def _defective(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        for branch in super()._defective(state, callback, defect):
            if defect.field == "currency" and callback.kind is Kind.BET:
                noted = branch.state.with_notes(branch.state.notes | {callback.transaction_id})
                yield replace(branch, state=noted)
            else:
                yield branch

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        bet = named_bet(state, rollback)
        meant = self.of_currency in (None, rollback.reference_id in state.notes)
        if bet is not None and bet.fate is Fate.DECLINED and meant:
            void = replace(bet, fate=Fate.VOID)
            paid = gives(state.with_bet(rollback.reference_id or "", void), rollback, Status.SUCCESS)
            yield moves(paid, rollback, int(part(bet, "amount") or 0))
        else:
            yield from super()._rollback_cases(state, rollback)


# -- a bet that is another's, or settled, or none ---------------------------------------------------


class _OfOthers(Flaw, ABC):
    """Carries out a rollback that names another player's bet."""

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        bet = state.bets.get(rollback.reference_id or "")
        others = bet is not None and bet.content is not None and bet.player_id != rollback.player_id
        if bet is not None and others and bet.fate is Fate.OPEN:
            marked = state.with_bet(rollback.reference_id or "", replace(bet, fate=Fate.REFUNDED))
            yield moves(gives(marked, rollback, Status.SUCCESS), rollback, bet.amount, self._payee(rollback, bet))
        else:
            yield from super()._rollback_cases(state, rollback)

    @abstractmethod
    def _payee(self, rollback: Callback, bet: BetRecord) -> str:
        """The player who gets the stake."""


_OWN_BET = "look the referenced bet up together with clientPlayerId"


@flaw(
    "foreign-rollback-pays-caller",
    "a rollback that names another player's bet pays its stake to the caller",
    _OWN_BET,
    "D",
)
class ForeignRollbackPaysCaller(_OfOthers):
    """The caller gets the money."""

    def _payee(self, rollback: Callback, bet: BetRecord) -> str:
        return rollback.player_id


@flaw("foreign-rollback-pays-owner", "a rollback sent for one player refunds another player's bet", _OWN_BET, "D")
class ForeignRollbackPaysOwner(_OfOthers):
    """The bet's owner gets the money."""

    def _payee(self, rollback: Callback, bet: BetRecord) -> str:
        return bet.player_id


class _NamingAWin(Flaw):
    """Carries out a rollback that names a win."""

    sign: int

    def _unseen_rollback(self, state: State, rollback: Callback, bet: BetRecord | None) -> Iterator[Branch]:
        win = state.wins.get(rollback.reference_id or "")
        if win is not None and win.credited and win.player_id == rollback.player_id:
            amount = win.amount if self.sign > 0 else -min(win.amount, state.balances[rollback.player_id])
            yield moves(gives(state, rollback, Status.SUCCESS), rollback, amount)
        else:
            yield from super()._unseen_rollback(state, rollback, bet)


_AMONG_BETS = "look referenceTransactionId up among bets only"


@flaw(
    "rollback-naming-a-win-credits-it",
    "a rollback that names a win credits the win's amount once more",
    _AMONG_BETS,
    "T",
)
class RollbackNamingAWinCreditsIt(_NamingAWin):
    """The win's amount is credited."""

    sign = 1


@flaw(
    "rollback-naming-a-win-takes-it-back",
    "a rollback that names a win takes the win's amount away again",
    _AMONG_BETS,
    "T",
)
class RollbackNamingAWinTakesItBack(_NamingAWin):
    """The win's amount is debited."""

    sign = -1


class _Settled(Flaw, ABC):
    """Does something to the rollback of a settled bet."""

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        bet = named_bet(state, rollback)
        if bet is not None and bet.fate is Fate.SETTLED:
            yield self._of_settled(state, rollback, bet)
        else:
            yield from super()._rollback_cases(state, rollback)

    @abstractmethod
    def _of_settled(self, state: State, rollback: Callback, bet: BetRecord) -> Branch:
        """The answer to the rollback of a settled bet."""


@flaw(
    "settled-bet-refunded",
    "a rollback after the win refunds the stake, so the player keeps both",
    "refuse to roll back a bet that has been settled",
    "I",
)
class SettledBetRefunded(_Settled):
    """The stake is refunded, once."""

    def _of_settled(self, state: State, rollback: Callback, bet: BetRecord) -> Branch:
        return self._refunded(state, rollback, bet, FLAWED)


@flaw(
    "settled-bet-refunded-each-time",
    "a rollback after the win refunds the stake, and so does each of its retries",
    "refuse to roll back a settled bet, and mark a bet as rolled back before crediting it",
    "D",
)
class SettledBetRefundedEachTime(_Settled):
    """The stake is refunded at every rollback."""

    def _of_settled(self, state: State, rollback: Callback, bet: BetRecord) -> Branch:
        return moves(gives(state, rollback, Status.SUCCESS), rollback, bet.amount)


@flaw(
    "settled-bet-refunded-with-error",
    "a rollback after the win gets an error and refunds the stake all the same",
    "decide before the money moves; an error must move nothing",
    "D",
)
class SettledBetRefundedWithError(_Settled):
    """An error, and the stake is refunded."""

    def _of_settled(self, state: State, rollback: Callback, bet: BetRecord) -> Branch:
        refunded = self._refunded(state, rollback, bet, FLAWED)
        return replace(refunded, statuses=refuses(state, rollback).statuses)


# -- what the answer says ---------------------------------------------------------------------------


@flaw(
    "rollback-refused-but-refunded",
    "a rollback is answered with an error although it refunds",
    "answer what happened: SUCCESS once the stake is back",
    "D",
)
class RollbackRefusedButRefunded(Refund):
    """An error, and the money is back."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        refunded = self._refunded(state, rollback, bet, FLAWED)
        yield replace(refunded, statuses=frozenset(set(Status) - {Status.SUCCESS}))


@flaw(
    "round-closed-ignores-rollback",
    "a rollback succeeds without a refund while its round is open",
    "refund at once, whatever roundClosed says",
    "D",
)
class RollbackWaitsForClosing(Refund):
    """SUCCESS without a refund if roundClosed is false."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        branch = self._refunded(state, rollback, bet, FLAWED)
        yield branch if rollback.round_closed else moves(branch, rollback, -bet.amount)
