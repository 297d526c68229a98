"""Players that are taken for one another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.checks import Answer
from pytest_provider_contract.diagnosis.flaw import (
    FLAWED,
    BalanceAside,
    Flaw,
    buries,
    delta,
    flaw,
    gives,
    moves,
    part,
    refuses,
    succeeds,
    tells,
)
from pytest_provider_contract.diagnosis.flaws.rollbacks import Refund
from pytest_provider_contract.diagnosis.flaws.wins import Credit
from pytest_provider_contract.ledger import BetRecord, Branch, State
from pytest_provider_contract.profile import Kind, Status

_BY_PLAYER = "look the account up by clientPlayerId, in every callback"
_ERROR = "answer with an error and move nobody's money"


@flaw("balance-of-first-player", "/balance answers every player with one player's money", _BY_PLAYER, "D")
class BalanceOfFirstPlayer(BalanceAside):
    """The first player's balance."""

    def openings(self, told: State) -> Iterator[State]:
        """Only the first player's money is known."""
        yield told.with_notes(frozenset(list(told.balances)[1:]))

    def _told(self, state: State, branch: Branch) -> Branch:
        return tells(branch, next(iter(state.balances.values())))


class _Stranger(Flaw):
    """Carries a callback of an unknown player out for somebody else."""

    def _correct(self, state: State, callback: Callback) -> Iterator[Branch]:
        if callback.player_id in state.balances:
            yield from super()._correct(state, callback)
            return
        owner = next(iter(state.balances))
        for branch in super()._correct(state, replace(callback, player_id=owner)):
            yield replace(branch, rule=branch.rule and FLAWED, balances=None)


@flaw(
    "account-found-by-session",
    "the account is looked up by clientSessionId, whoever the player is said to be",
    "look the account up by clientPlayerId and check that the session is that player's",
    "D",
)
class AccountFoundBySession(_Stranger):
    """The session's owner plays."""


@flaw("unknown-player-falls-back", "a callback of an unknown player is carried out on a default account", _ERROR, "D")
class UnknownPlayerFallsBack(_Stranger):
    """The first player plays."""


@flaw("unknown-player-created", "an unknown player is given an account", _ERROR, "O")
class UnknownPlayerCreated(Flaw):
    """SUCCESS for somebody nobody knows."""

    def _correct(self, state: State, callback: Callback) -> Iterator[Branch]:
        if callback.player_id in state.balances:
            yield from super()._correct(state, callback)
        else:
            # Without money of its own: what costs something or names a bet may be refused.
            statuses = {Status.SUCCESS} if callback.kind is Kind.BALANCE else set(Status)
            yield gives(state, callback, *statuses)


class _OfRound(Flaw):
    """Takes the first player of a round for the owner of everything in it."""

    def _first(self, state: State, callback: Callback) -> str:
        for known in state.bets.values():
            if known.content is not None and part(known, "round_id") == callback.round_id:
                return known.player_id
        return callback.player_id

    def _to_first(self, state: State, callback: Callback, branch: Branch) -> Branch:
        first, moved = self._first(state, callback), delta(state, branch, callback.player_id)
        if first == callback.player_id or not moved:
            return branch
        return moves(moves(branch, callback, -moved), callback, moved, first)


_OWN = "move the money of clientPlayerId; players may share a round"


@flaw("win-paid-to-rounds-first-player", "a win is credited to the player who bet first in the round", _OWN, "D")
class WinPaidToRoundsFirstPlayer(_OfRound):
    """Another player is paid."""

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        for branch in super()._win(state, win):
            yield self._to_first(state, win, branch)


@flaw("refund-paid-to-rounds-first-player", "a refund goes to the player who bet first in the round", _OWN, "D")
class RefundPaidToRoundsFirstPlayer(_OfRound):
    """Another player is refunded."""

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        for branch in super()._rollback_cases(state, rollback):
            yield self._to_first(state, rollback, branch)


@flaw(
    "round-belongs-to-first-player",
    "a second player's bet in a round is taken for a retry of the first player's",
    "recognise bets by transactionId alone; players may share a round",
    "D",
)
class RoundBelongsToFirstPlayer(_OfRound):
    """The second player's bet is no bet."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        if self._first(state, bet) != bet.player_id:
            yield gives(state, bet, *Status)
        else:
            yield from super()._bet(state, bet)


# A player whose money the history does not show.
_SOMEBODY_ELSE = ""


@flaw(
    "bet-debits-last-player-seen",
    "a bet debits the player who asked for the balance last, as if there were one at a time",
    _BY_PLAYER,
    "D",
)
class BetDebitsLastPlayerSeen(Flaw):
    """Another player pays."""

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        seen = next((note for note in state.notes if isinstance(note, str)), bet.player_id)
        for branch in super()._new_bet(state, bet):
            moved = delta(state, branch, bet.player_id)
            if seen != bet.player_id and moved and succeeds(branch):
                spared = moves(branch, bet, -moved)
                yield moves(spared, bet, moved, seen) if seen in state.balances else spared
            else:
                yield branch

    def openings(self, told: State) -> Iterator[State]:
        """Whoever was asked for last before."""
        yield told
        for player in told.balances:
            yield told.with_notes(frozenset({player}))

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes whose balance was asked for."""
        state = super().after(before, branch, callback, answer)
        return state.with_notes(frozenset({callback.player_id})) if callback.kind is Kind.BALANCE else state


@flaw(
    "bet-debits-last-player-seen",
    "a bet debits the player who asked for the balance last, as if there were one at a time",
    _BY_PLAYER,
    "D",
)
class BetDebitsAPlayerUnseen(BetDebitsLastPlayerSeen):
    """A player pays whose money the history does not show: then any first bet may cost nothing."""

    shown_by = BetDebitsLastPlayerSeen

    def openings(self, told: State) -> Iterator[State]:
        """Somebody else was asked for last before."""
        yield told
        yield told.with_notes(frozenset({_SOMEBODY_ELSE}))


# -- callbacks that name another player's bet --------------------------------------------------------


def _others(state: State, callback: Callback) -> BetRecord | None:
    bet = state.bets.get(callback.reference_id or "")
    return bet if bet is not None and bet.content is not None and bet.player_id != callback.player_id else None


@flaw(
    "foreign-bet-won",
    "a win that names another player's bet settles that bet",
    "look the referenced bet up together with clientPlayerId",
    "D",
)
class ForeignBetWon(Flaw):
    """Another player's bet is settled."""

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        bet = _others(state, win)
        if bet is not None:
            for branch in super()._win(state, replace(win, player_id=bet.player_id)):
                yield replace(branch, rule=FLAWED, balances=None)
        else:
            yield from super()._win(state, win)


_NOT_THE_OTHERS = "let another player's rollback change nothing: keep tombstones by clientPlayerId too"


class _NotesOthersRollback(Flaw):
    """Remembers of which bets another player has asked for a rollback."""

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes the bet, whether it has arrived or not; whose it is then shows later."""
        state = super().after(before, branch, callback, answer)
        if self._is_noted(before, callback, answer):
            return state.with_notes(state.notes | {(callback.reference_id, callback.player_id)})
        return state

    def _is_noted(self, before: State, rollback: Callback, answer: Answer) -> bool:
        return buries(before, rollback, answer)

    def _noted(self, state: State, callback: Callback) -> bool:
        noted = (note for note in state.notes if isinstance(note, tuple))
        return any(id_ == callback.reference_id and player != callback.player_id for id_, player in noted)


@flaw(
    "others-rollback-blocks-win",
    "once another player's rollback has named a bet in vain, the bet's own win is refused",
    _NOT_THE_OTHERS,
    "D",
)
class OthersRollbackBlocksWin(_NotesOthersRollback, Credit):
    """The win is refused."""

    def _is_noted(self, before: State, rollback: Callback, answer: Answer) -> bool:
        return rollback.kind is Kind.ROLLBACK and _others(before, rollback) is not None

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield refuses(state, win) if self._noted(state, win) else branch


@flaw(
    "others-early-rollback-blocks-refund",
    "after another player's rollback that came before the bet, the player's own gets SUCCESS without a refund",
    _NOT_THE_OTHERS,
    "D",
)
class OthersEarlyRollbackBlocksRefund(_NotesOthersRollback, Refund):
    """SUCCESS, and the bet stays open."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        if self._noted(state, rollback):
            yield gives(state, rollback, Status.SUCCESS)
        else:
            yield self._refunded(state, rollback, bet, FLAWED)


@flaw(
    "others-early-rollback-taken-for-own",
    "after another player's rollback of a bet that has not arrived, the player's own is taken for a retry,"
    " so the late bet debits",
    _NOT_THE_OTHERS,
    "D",
)
class OthersEarlyRollbackTakenForOwn(_NotesOthersRollback):
    """SUCCESS, and no tombstone of the player's own."""

    def _unseen_rollback(self, state: State, rollback: Callback, bet: BetRecord | None) -> Iterator[Branch]:
        if self._noted(state, rollback):
            yield gives(state, rollback, Status.SUCCESS)
        else:
            yield from super()._unseen_rollback(state, rollback, bet)

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        if known is not None and known.content is None and known.promised_to(bet.player_id) is None:
            for branch in self._new_bet(state, bet):
                yield replace(branch, rule=branch.rule and FLAWED)
        else:
            yield from super()._bet(state, bet)
