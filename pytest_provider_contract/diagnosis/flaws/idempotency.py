"""Idempotency: by what bets and wins are recognised, for how long, and what a replay does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.checks import Answer
from pytest_provider_contract.diagnosis.flaw import (
    CONTENT,
    FLAWED,
    Flaw,
    accepted,
    bets_of,
    flaw,
    gives,
    moves,
    named_bet,
    part,
    refuses,
)
from pytest_provider_contract.diagnosis.flaws.bets import NewBet
from pytest_provider_contract.diagnosis.flaws.rollbacks import Refund
from pytest_provider_contract.diagnosis.flaws.wins import Credit
from pytest_provider_contract.diagnosis.record import Record
from pytest_provider_contract.history import Defect, Exchange
from pytest_provider_contract.ledger import BetRecord, Branch, Fate, State, WinRecord
from pytest_provider_contract.profile import Kind, Status

_KEPT = (1, 2, 5, 10, 20, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000)
_ON_TRANSACTION_ID = "recognise bets by transactionId alone"
_WINS_ON_TRANSACTION_ID = "recognise wins by transactionId alone"


class _Timed(Flaw):
    """Knows how long ago a transaction was first sent, in seconds."""

    timed = True

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes when a transaction was first heard of."""
        state = super().after(before, branch, callback, answer)
        subject = self._subject(callback)
        if subject is None or any(note[0] == subject for note in _notes(before)):
            return state
        return state.with_notes(before.notes | {(subject, callback.timestamp)})

    def _subject(self, callback: Callback) -> str | None:
        return callback.reference_id if callback.kind is Kind.ROLLBACK else callback.transaction_id

    def _age_s(self, state: State, transaction_id: str | None, callback: Callback) -> float:
        then = next((time for id_, time in _notes(state) if id_ == transaction_id), callback.timestamp)
        return (datetime.fromisoformat(callback.timestamp) - datetime.fromisoformat(then)).total_seconds()


def _notes(state: State) -> Iterator[tuple[Any, Any]]:
    for note in state.notes:
        if isinstance(note, tuple):
            yield note


# -- by what a bet is recognised --------------------------------------------------------------------


class _Anew(Flaw, ABC):
    """Takes some replays of bets for new bets."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        if known is not None and known.content is not None and self._forgets(state, bet, known):
            for branch in self._new_bet(state, bet):
                yield replace(branch, rule=FLAWED) if branch.rule else branch
            conflict = (part(known, "amount"), part(known, "round_id")) != (bet.amount, bet.round_id)
            if known.fate in self._perhaps or (conflict and not self.says_all):
                yield from super()._bet(state, bet)
        else:
            yield from super()._bet(state, bet)

    # Whether it says something of conflicts, and the fates of which it says nothing.
    says_all = False
    _perhaps: frozenset[Fate] = frozenset({Fate.DECLINED, Fate.VOID})

    @abstractmethod
    def _forgets(self, state: State, bet: Callback, known: BetRecord) -> bool:
        """Whether the replay of a known bet is taken for a new bet."""


@flaw(
    "bet-not-deduplicated",
    "a replayed bet debits again: bets are recognised by requestId or timestamp, "
    "which every retry has anew, or not at all",
    _ON_TRANSACTION_ID,
    "D",
)
class BetNotDeduplicated(_Timed, _Anew):
    """Every replay debits, or every one that has another timestamp."""

    timed = False
    on_timestamp: bool = False

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """By requestId or not at all; by timestamp, which a retry within the same millisecond shares."""
        return cls.each_of(record, on_timestamp=(False, True))

    _perhaps = frozenset({Fate.DECLINED, Fate.VOID, Fate.REFUNDED})

    def _forgets(self, state: State, bet: Callback, known: BetRecord) -> bool:
        return not self.on_timestamp or bool(self._age_s(state, bet.transaction_id, bet))


@flaw(
    "settled-bet-forgotten",
    "the transactionId of a settled bet is forgotten, so its replay debits again",
    "keep transactionIds for ever",
    "T",
)
class SettledBetForgotten(_Anew):
    """A replay after the win debits."""

    def _forgets(self, state: State, bet: Callback, known: BetRecord) -> bool:
        return known.fate is Fate.SETTLED


@flaw(
    "lost-bet-forgotten",
    "the transactionId of a lost bet is forgotten, so its replay debits again",
    "keep transactionIds for ever",
    "T",
)
class LostBetForgotten(_Anew):
    """A replay after a win of 0 debits."""

    def _forgets(self, state: State, bet: Callback, known: BetRecord) -> bool:
        return any(w.credited and w.reference_id == bet.transaction_id and not w.amount for w in state.wins.values())


@flaw(
    "refunded-bet-forgotten",
    "the transactionId of a refunded bet is forgotten, so its replay places the bet again",
    "keep transactionIds for ever",
    "D",
)
class RefundedBetForgotten(_Anew):
    """A replay after the rollback debits."""

    _perhaps = frozenset({Fate.DECLINED})

    def _forgets(self, state: State, bet: Callback, known: BetRecord) -> bool:
        return known.fate is Fate.REFUNDED


class _AnewIfOther(_Anew):
    """Takes a known bet for a new one if one of its fields is another."""

    says_all = True
    attribute: ClassVar[str]

    def _forgets(self, state: State, bet: Callback, known: BetRecord) -> bool:
        return bool(part(known, self.attribute) != getattr(bet, self.attribute))


@flaw(
    "bet-keyed-on-amount-too",
    "a bet with a known transactionId and another amount is debited as another bet",
    "answer DUPLICATE_TRANSACTION_ERROR: transactionId alone is the key",
    "D",
)
class BetKeyedOnAmountToo(_AnewIfOther):
    """Another amount makes another bet."""

    attribute = "amount"


@flaw(
    "bet-keyed-on-round-too",
    "a bet with a known transactionId in another round is debited as another bet",
    "answer DUPLICATE_TRANSACTION_ERROR: transactionId alone is the key",
    "D",
)
class BetKeyedOnRoundToo(_AnewIfOther):
    """Another round makes another bet."""

    attribute = "round_id"


@flaw(
    "bet-keyed-on-game-too",
    "a bet with a known transactionId in another game is debited as another bet",
    "answer DUPLICATE_TRANSACTION_ERROR: transactionId alone is the key",
    "D",
)
class BetKeyedOnGameToo(_AnewIfOther):
    """Another game makes another bet."""

    attribute = "game_id"


class _PerSession(Flaw):
    """Knows which transactions came in which session."""

    def read(self, exchange: Exchange) -> tuple[Callback, Defect | None]:
        """Another session is no defect: it is looked at."""
        callback, defect = super().read(exchange)
        if defect is not None and defect.field == "clientSessionId":
            return replace(callback, session_id=defect.json or ""), None
        return callback, defect

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes the session."""
        state = super().after(before, branch, callback, answer)
        return state.with_notes(before.notes | {self._key(callback)})

    def _key(self, callback: Callback) -> tuple[str | None, str]:
        return callback.transaction_id, callback.session_id


@flaw(
    "bet-keyed-on-session-too",
    "a retry of a bet in another session debits again: bets are recognised by transactionId and session",
    _ON_TRANSACTION_ID,
    "D",
)
class BetKeyedOnSessionToo(_PerSession, _Anew):
    """Another session makes another bet."""

    says_all = True

    def _forgets(self, state: State, bet: Callback, known: BetRecord) -> bool:
        return self._key(bet) not in state.notes


@flaw(
    "conflicting-bet-corrects-stake",
    "a known bet with another amount debits, or gives back, the difference",
    "a transaction never changes; answer DUPLICATE_TRANSACTION_ERROR",
    "D",
)
class ConflictingBetCorrectsStake(Flaw):
    """The difference moves."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        if known is not None and known.content is not None and known.fate is Fate.OPEN and known.amount != bet.amount:
            yield moves(gives(state, bet, *Status), bet, known.amount - (bet.amount or 0))
        else:
            yield from super()._bet(state, bet)


@flaw(
    "conflicting-bet-takes-the-firsts-place",
    "a known bet with other content is refused but takes the place of the first, whose retry debits again",
    "an error must change nothing; keep the first bet's record",
    "D",
)
class ConflictingBetTakesTheFirstsPlace(Flaw):
    """Once refused, the bet debits at each of its retries."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        id_ = bet.transaction_id or ""
        known = state.bets.get(id_)
        conflict = known is not None and known.content not in (None, bet.content) and known.fate is not Fate.DECLINED
        for branch in super()._bet(state, bet):
            if conflict:
                yield replace(branch, state=branch.state.with_notes(branch.state.notes | {id_}))
            elif id_ in state.notes:
                yield moves(branch, bet, -min(bet.amount or 0, state.balances[bet.player_id]))
            else:
                yield branch


@dataclass(frozen=True)
class _Earlier(Flaw):
    """Knows the callbacks that succeeded before the history."""

    earlier: frozenset[tuple[str, Kind, int]] = frozenset()

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """With what is known of the time before."""
        yield cls.of(record, earlier=record.earlier)

    def again(self, record: Record) -> Flaw:
        """The same flaw, with what was known before another record."""
        return self.of(record, earlier=record.earlier)


def _taken_for(state: State, callback: Callback, same: Iterable[BetRecord | WinRecord]) -> Branch:
    """The answer to a new transaction that is taken for a replay; it may tell the original's balance."""
    told = {known.reported for known in same if known.reported is not None}
    told.add(state.balances[callback.player_id])
    return replace(gives(state, callback, Status.SUCCESS, Status.DUPLICATE), balances=frozenset(told))


@flaw(
    "conflicting-bet-overwrites-record",
    "a known bet with other content is written over the first one, so its own win or rollback no longer fits",
    "a transaction never changes; answer DUPLICATE_TRANSACTION_ERROR",
    "D",
)
class ConflictingBetOverwritesRecord(Flaw):
    """The record says what came last, in all of its fields or in one; what names it must say the same."""

    written: tuple[str, ...] = CONTENT

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """All fields, or one of those that a conflict is about."""
        return cls.each_of(record, written=(CONTENT, ("amount",), ("round_id",), ("game_id",)))

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        for branch in super()._bet(state, bet):
            if known is None or known.content is None or known.fate is not Fate.OPEN:
                yield branch
            else:
                after = branch.state.with_bet(bet.transaction_id or "", self._overwritten(known, bet))
                yield replace(branch, state=after, rule=FLAWED)

    def _overwritten(self, known: BetRecord, bet: Callback) -> BetRecord:
        old, new = known.content or bet.content, bet.content
        content = tuple(new[i] if name in self.written else old[i] for i, name in enumerate(CONTENT))
        stake = (bet.amount or 0) if "amount" in self.written else known.amount
        return replace(known, content=content, amount=stake)

    def _uncredited_win(
        self, state: State, win: Callback, bet: BetRecord | None, *, refused_before: bool
    ) -> Iterator[Branch]:
        if bet is not None and bet.fate is Fate.OPEN and self._is_elsewhere(win, bet):
            yield refuses(state, win)
        else:
            yield from super()._uncredited_win(state, win, bet, refused_before=refused_before)

    def _is_elsewhere(self, callback: Callback, bet: BetRecord) -> bool:
        return (callback.round_id, callback.game_id) != (part(bet, "round_id"), part(bet, "game_id"))


class _BetKey(Flaw, ABC):
    """Takes a new bet for a replay of another one."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        same = [known for id_, known in accepted(state, bet) if id_ != bet.transaction_id and self._same(known, bet)]
        if same and bet.transaction_id not in state.bets:
            yield _taken_for(state, bet, same)
        else:
            yield from super()._bet(state, bet)

    @abstractmethod
    def _same(self, known: BetRecord, bet: Callback) -> bool:
        """Whether the new one is taken for a replay of a known one."""


@flaw(
    "bet-keyed-on-round",
    "a second bet of a round is taken for a retry of the first: bets are recognised by roundId",
    _ON_TRANSACTION_ID,
    "I",
)
class BetKeyedOnRound(_BetKey):
    """The same round."""

    def _same(self, known: BetRecord, bet: Callback) -> bool:
        return bool(part(known, "round_id") == bet.round_id)


@flaw(
    "bet-keyed-on-round-and-amount", "a bet of the same round and amount is taken for a retry", _ON_TRANSACTION_ID, "I"
)
class BetKeyedOnRoundAndAmount(_BetKey):
    """The same round and amount."""

    def _same(self, known: BetRecord, bet: Callback) -> bool:
        return (part(known, "round_id"), part(known, "amount")) == (bet.round_id, bet.amount)


@flaw(
    "bet-keyed-on-amount",
    "a bet of the same player and amount is taken for a retry, whatever its round",
    _ON_TRANSACTION_ID,
    "I",
)
class BetKeyedOnAmount(_Earlier, _BetKey):
    """The same amount, in this history or before it."""

    def _same(self, known: BetRecord, bet: Callback) -> bool:
        return bool(part(known, "amount") == bet.amount)

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        if (bet.player_id, Kind.BET, bet.amount) in self.earlier and bet.transaction_id not in state.bets:
            yield gives(state, bet, Status.SUCCESS, Status.DUPLICATE)
        else:
            yield from super()._bet(state, bet)


# -- what a replayed bet does -----------------------------------------------------------------------


class _Replay(Flaw, ABC):
    """Answers the replay of an accepted bet in another way."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        live = known is not None and known.content is not None and known.fate in (Fate.OPEN, Fate.SETTLED)
        for branch in super()._bet(state, bet):
            if live:
                yield self._replayed(state, bet, branch)
            if not live or (known is not None and known.content != bet.content):
                yield branch  # it says nothing of conflicts

    @abstractmethod
    def _replayed(self, state: State, bet: Callback, branch: Branch) -> Branch:
        """The answer to a replay in place of a right one."""


@flaw(
    "bet-replay-refused",
    "the replay of an accepted bet gets an error, as if the bet had failed",
    "answer SUCCESS or DUPLICATE_TRANSACTION_ERROR",
    "D",
)
class BetReplayRefused(_Replay):
    """An error that is no DUPLICATE."""

    def _replayed(self, state: State, bet: Callback, branch: Branch) -> Branch:
        return replace(refuses(state, bet), statuses=refuses(state, bet).statuses - {Status.DUPLICATE})


@flaw(
    "bet-replay-checked-against-balance",
    "the replay of an accepted bet is checked against the balance again",
    "recognise the replay before looking at the funds",
    "D",
)
class BetReplayCheckedAgainstBalance(_Replay):
    """INSUFFICIENT_BALANCE_ERROR if the rest would not pay for it again."""

    def _replayed(self, state: State, bet: Callback, branch: Branch) -> Branch:
        poor = (bet.amount or 0) > state.balances[bet.player_id]
        return gives(state, bet, Status.INSUFFICIENT_BALANCE) if poor else branch


@flaw(
    "bet-replay-reopens-settled-bet",
    "the replay of a settled bet makes it open again, so that a rollback refunds what has won",
    "let a replay change nothing, the bet's state included",
    "D",
)
class BetReplayReopensSettledBet(_Replay):
    """Settled no more."""

    def _replayed(self, state: State, bet: Callback, branch: Branch) -> Branch:
        id_ = bet.transaction_id or ""
        return replace(branch, rule=FLAWED, state=branch.state.with_bet(id_, replace(state.bets[id_], fate=Fate.OPEN)))


@flaw(
    "bet-replay-reopens-refunded-bet",
    "the replay of a refunded bet makes it open again, so that a rollback refunds once more",
    "let a replay change nothing, the bet's state included",
    "D",
)
class BetReplayReopensRefundedBet(Flaw):
    """Refunded no more."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        id_ = bet.transaction_id or ""
        known = state.bets.get(id_)
        for branch in super()._bet(state, bet):
            if known is not None and known.fate is Fate.REFUNDED and known.content == bet.content:
                reopened = branch.state.with_bet(id_, replace(known, fate=Fate.OPEN))
                yield replace(branch, rule=FLAWED, state=reopened)
            else:
                yield branch


@flaw(
    "bet-replay-tells-second-debit",
    "a replayed bet moves nothing but reports a balance as if it had been debited again",
    "read the balance from the account instead of computing it",
    "D",
)
class BetReplayTellsSecondDebit(_Replay):
    """The balance less the amount."""

    def _replayed(self, state: State, bet: Callback, branch: Branch) -> Branch:
        return replace(branch, rule=FLAWED, balances=frozenset({state.balances[bet.player_id] - (bet.amount or 0)}))


# -- wins -------------------------------------------------------------------------------------------


@flaw(
    "win-not-deduplicated",
    "a replayed win credits again: wins are recognised by requestId or not at all",
    _WINS_ON_TRANSACTION_ID,
    "T",
)
class WinNotDeduplicated(Flaw):
    """Every replay credits."""

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        known = state.wins.get(win.transaction_id or "")
        if known is not None and known.credited and self._forgets(state, win, known):
            paid = replace(self._credited(state, win, FLAWED), rule=FLAWED)
            yield paid
            # The record that stays may be the first one.
            yield replace(paid, state=paid.state.with_win(win.transaction_id or "", known))
            if self._is_unsure(state, win, known):
                yield from super()._win(state, win)
        else:
            yield from super()._win(state, win)

    def _forgets(self, state: State, win: Callback, known: WinRecord) -> bool:
        return True

    def _is_unsure(self, state: State, win: Callback, known: WinRecord) -> bool:
        """Whether the flaw says nothing of this case."""
        return type(self) is WinNotDeduplicated and known.content != win.content


@flaw(
    "win-keyed-on-content-too",
    "a known win with another amount or bet is credited as another win",
    "answer DUPLICATE_TRANSACTION_ERROR: transactionId alone is the key",
    "D",
)
class WinKeyedOnContentToo(WinNotDeduplicated):
    """Other content makes another win."""

    def _forgets(self, state: State, win: Callback, known: WinRecord) -> bool:
        return known.content != win.content


@flaw(
    "zero-win-forgotten",
    "a win of amount 0 is taken for none, so the same transactionId with an amount is credited",
    "record every win, whatever its amount",
    "D",
)
class ZeroWinForgotten(WinNotDeduplicated):
    """A win of 0 is no win."""

    def _forgets(self, state: State, win: Callback, known: WinRecord) -> bool:
        return known.amount == 0 and known.content != win.content


class _WinAnewIfOther(WinNotDeduplicated):
    """Takes a known win for a new one if one of its fields is another."""

    attribute: ClassVar[str]

    def _forgets(self, state: State, win: Callback, known: WinRecord) -> bool:
        return bool(known.content[CONTENT.index(self.attribute)] != getattr(win, self.attribute))


def _keyed_on_too(attribute: str, words: str) -> None:
    """Adds a flaw that takes a known win for another one if this is another."""
    name = f"WinKeyedOn{attribute.removesuffix('_id').capitalize()}Too"
    fields = {"attribute": attribute, "__doc__": f"A win {words} is another win."}
    flaw(
        "win-keyed-on-content-too",
        f"a known win {words} is credited as another win",
        "answer DUPLICATE_TRANSACTION_ERROR: transactionId alone is the key",
        "D",
    )(type(name, (_WinAnewIfOther,), fields))


_keyed_on_too("amount", "with another amount")
_keyed_on_too("reference_id", "that names another bet")
_keyed_on_too("round_id", "in another round")
_keyed_on_too("game_id", "in another game")


@flaw(
    "win-keyed-on-session-too",
    "a retry of a win in another session is credited again: wins are recognised by transactionId and session",
    _WINS_ON_TRANSACTION_ID,
    "D",
)
class WinKeyedOnSessionToo(_PerSession, WinNotDeduplicated):
    """Another session makes another win."""

    def _forgets(self, state: State, win: Callback, known: WinRecord) -> bool:
        return self._key(win) not in state.notes


class _WinReplay(Flaw):
    """Refuses some replays of credited wins."""

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        known = state.wins.get(win.transaction_id or "")
        if known is not None and known.credited and self._refuses(state, win):
            yield refuses(state, win)
        else:
            yield from super()._win(state, win)

    def _refuses(self, state: State, win: Callback) -> bool:
        return True


@flaw(
    "win-replay-refused",
    "the replay of a credited win gets an error, so the provider retries for ever",
    "answer SUCCESS: what it asks for is done",
    "T",
)
class WinReplayRefused(_WinReplay):
    """An error for a replay."""


@flaw(
    "zero-win-replay-refused",
    "the replay of a win of amount 0 gets an error: nothing was credited, so nothing was kept",
    "record every win, whatever its amount",
    "T",
)
class ZeroWinReplayRefused(_WinReplay):
    """An error for the replay of a win of nothing."""

    def _refuses(self, state: State, win: Callback) -> bool:
        return not win.amount


@flaw(
    "closing-win-replay-refused",
    "the replay of the win that closed its round gets an error: the round is closed",
    "recognise the replay before looking at the round",
    "T",
)
class ClosingWinReplayRefused(_WinReplay):
    """An error for a replay with roundClosed."""

    def _refuses(self, state: State, win: Callback) -> bool:
        return bool(win.round_closed)


@flaw(
    "win-replay-in-round-with-refund-refused",
    "the replay of a win gets an error once another bet of its round is rolled back: the round is cancelled",
    "recognise the replay before looking at the round",
    "T",
)
class WinReplayInRoundWithRefundRefused(_WinReplay):
    """An error for a replay in a round with a refund."""

    def _refuses(self, state: State, win: Callback) -> bool:
        return bool(bets_of(state, win.player_id, Fate.REFUNDED, round_id=win.round_id))


class _WinKey(Flaw, ABC):
    """Takes a new win for a replay of another one."""

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        same = [known for known in state.wins.values() if known.credited and self._same(known, win)]
        if same and win.transaction_id not in state.wins:
            yield _taken_for(state, win, same)
        else:
            yield from super()._win(state, win)

    @abstractmethod
    def _same(self, known: WinRecord, win: Callback) -> bool:
        """Whether the new one is taken for a replay of a known one."""


@flaw(
    "win-keyed-on-round",
    "the win of a round's second bet is taken for a retry: wins are recognised by roundId",
    _WINS_ON_TRANSACTION_ID,
    "T",
)
class WinKeyedOnRound(_WinKey):
    """The same round."""

    def _same(self, known: WinRecord, win: Callback) -> bool:
        return known.content[2] == win.round_id


@flaw(
    "win-keyed-on-round-and-amount",
    "a win of the same round and amount is taken for a retry",
    _WINS_ON_TRANSACTION_ID,
    "T",
)
class WinKeyedOnRoundAndAmount(_WinKey):
    """The same round and amount."""

    def _same(self, known: WinRecord, win: Callback) -> bool:
        return (known.player_id, known.content[2], known.amount) == (win.player_id, win.round_id, win.amount)


@flaw("win-keyed-on-amount", "a win of the same player and amount is taken for a retry", _WINS_ON_TRANSACTION_ID, "T")
class WinKeyedOnAmount(_Earlier, _WinKey):
    """The same amount, in this history or before it."""

    def _same(self, known: WinRecord, win: Callback) -> bool:
        return known.player_id == win.player_id and bool(win.amount) and known.amount == win.amount

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        if (win.player_id, Kind.WIN, win.amount) in self.earlier and win.transaction_id not in state.wins:
            yield gives(state, win, Status.SUCCESS, Status.DUPLICATE)
        else:
            yield from super()._win(state, win)


# -- a memory that fades ----------------------------------------------------------------------------


def _lengths(record: Record, kind: Kind) -> Iterator[int]:
    """Lengths that were exceeded by so many callbacks of a kind, the longest first."""
    count = sum(exchange.kind is kind for exchange in record.exchanges)
    return (kept for kept in reversed(_KEPT) if kept < count)


@dataclass(frozen=True)
class _Newest(Flaw):
    """Keeps so many transactions of a kind, the newest ones."""

    steady = True
    counted: ClassVar[Kind]
    kept: int = 0

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """Lengths that lists commonly have, the longest first."""
        return cls.each_of(record, kept=_lengths(record, cls.counted))


def _newer(ids: Iterable[str], transaction_id: str | None) -> int:
    """How many transactions came after one."""
    order = list(ids)
    return len(order) - 1 - order.index(transaction_id) if transaction_id in order else 0


@flaw(
    "old-bets-forgotten",
    "only the newest bets are remembered, so the replay of an older one debits again",
    "keep transactionIds for ever, not in a cache or a list of limited length",
    "T",
)
class OldBetsForgotten(_Newest, _Anew):
    """So many are kept."""

    counted = Kind.BET
    _perhaps = frozenset(Fate)

    def _forgets(self, state: State, bet: Callback, known: BetRecord) -> bool:
        return _newer((id_ for id_, _ in accepted(state, bet)), bet.transaction_id) >= self.kept

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        live = known is not None and known.fate in (Fate.OPEN, Fate.SETTLED)
        for branch in super()._bet(state, bet):
            if not (live and branch.rule != FLAWED and known is not None and self._forgets(state, bet, known)):
                yield branch


@flaw(
    "old-wins-forgotten",
    "only the newest wins are remembered, so the replay of an older one credits again",
    "keep transactionIds for ever, not in a cache or a list of limited length",
    "T",
)
class OldWinsForgotten(_Newest, WinNotDeduplicated):
    """So many are kept."""

    counted = Kind.WIN

    def _forgets(self, state: State, win: Callback, known: WinRecord) -> bool:
        own = (id_ for id_, other in state.wins.items() if other.player_id == known.player_id and other.credited)
        return _newer(own, win.transaction_id) >= self.kept


class _Forgets(Flaw, ABC):
    """Keeps some transactions, but not for ever."""

    steady = True

    @abstractmethod
    def _is_forgotten(self, state: State, bet_id: str | None, callback: Callback) -> bool:
        """Whether what was kept of a bet is gone when a callback comes."""


@dataclass(frozen=True)
class _ForAWhile(_Timed, _Forgets):
    """Keeps transactions for so many seconds."""

    for_s: float = 0.0

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """Times that caches commonly have, the longest first."""
        return cls.each_of(record, for_s=(60.0, 30.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2))

    def _is_forgotten(self, state: State, bet_id: str | None, callback: Callback) -> bool:
        return self._age_s(state, bet_id, callback) >= self.for_s


class _OfLength(_Newest, _Forgets):
    """Knows the order in which bets were rolled back, and keeps so many."""

    counted = Kind.ROLLBACK

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes the bets that were rolled back, in their order."""
        state = super().after(before, branch, callback, answer)
        known = {id_ for _, id_ in _notes(before)}
        if callback.kind is not Kind.ROLLBACK or callback.reference_id in known:
            return state
        return state.with_notes(before.notes | {(len(known), callback.reference_id)})

    def _is_forgotten(self, state: State, bet_id: str | None, callback: Callback) -> bool:
        order = list(_notes(state))
        since = next((number for number, id_ in order if id_ == bet_id), len(order))
        return len(order) - 1 - int(since) >= self.kept


class _Tombstones(_Forgets):
    """Places a bet whose tombstone is forgotten."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        late = known is not None and known.content is None and known.promised_to(bet.player_id) is not None
        if late and self._is_forgotten(state, bet.transaction_id, bet):
            for branch in self._new_bet(state, bet):
                yield replace(branch, rule=FLAWED) if branch.rule else branch
        else:
            yield from super()._bet(state, bet)


class _Rollbacks(_Forgets):
    """Refunds once more what it has forgotten to have refunded."""

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        bet = named_bet(state, rollback)
        if bet is not None and bet.fate is Fate.REFUNDED and self._is_forgotten(state, rollback.reference_id, rollback):
            yield self._refunded(state, rollback, bet, FLAWED)
        else:
            yield from super()._rollback_cases(state, rollback)


class _NotSettled(_Forgets, Credit):
    """Refuses the win of an open bet that it has forgotten."""

    def _credit(self, state: State, win: Callback, bet: BetRecord, branch: Branch) -> Iterator[Branch]:
        yield refuses(state, win) if self._is_forgotten(state, win.reference_id, win) else branch


class _NotRefunded(_Forgets, Refund):
    """Refuses the rollback of an open bet that it has forgotten, or takes it for that of an unknown bet."""

    def _refund_of(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        if self._is_forgotten(state, rollback.reference_id, rollback):
            yield gives(state, rollback, *Status)
        else:
            yield self._refunded(state, rollback, bet, FLAWED)


class _NewestBets(_Newest, _Forgets):
    """Keeps so many bets."""

    counted = Kind.BET

    def _is_forgotten(self, state: State, bet_id: str | None, callback: Callback) -> bool:
        return _newer((id_ for id_, _ in accepted(state, callback)), bet_id) >= self.kept


_KEEP_OPEN = "keep every bet open until its own win or rollback, however {}"


@flaw(
    "old-bets-not-settled",
    "only the newest bets can be settled: the win of an older one is refused for ever, and its round is stuck",
    _KEEP_OPEN.format("many come after it"),
    "T",
)
class OldBetsNotSettled(_NewestBets, _NotSettled):
    """So many can be won."""


@flaw(
    "old-bets-not-refunded",
    "only the newest bets can be rolled back: the stake of an older one never comes back",
    _KEEP_OPEN.format("many come after it"),
    "T",
)
class OldBetsNotRefunded(_NewestBets, _NotRefunded):
    """So many can be rolled back."""


@flaw(
    "bets-not-settled-after-a-while",
    "the win of a bet that is some seconds old is refused for ever, and its round is stuck",
    _KEEP_OPEN.format("long that takes"),
    "T",
)
class BetsNotSettledAfterAWhile(_ForAWhile, _NotSettled):
    """So many seconds long a bet can be won."""


@flaw(
    "bets-not-refunded-after-a-while",
    "the rollback of a bet that is some seconds old does not bring the stake back",
    _KEEP_OPEN.format("long that takes"),
    "T",
)
class BetsNotRefundedAfterAWhile(_ForAWhile, _NotRefunded):
    """So many seconds long a bet can be rolled back."""


@flaw(
    "bets-forgotten-in-time",
    "bets are remembered for a while only, so a late replay debits again",
    "keep transactionIds for ever, not in a cache that expires",
    "T",
)
class BetsForgottenInTime(_ForAWhile, OldBetsForgotten):
    """So many seconds are kept."""

    def _forgets(self, state: State, bet: Callback, known: BetRecord) -> bool:
        return self._is_forgotten(state, bet.transaction_id, bet)


@flaw(
    "wins-forgotten-in-time",
    "wins are remembered for a while only, so a late replay credits again",
    "keep transactionIds for ever, not in a cache that expires",
    "T",
)
class WinsForgottenInTime(_ForAWhile, WinNotDeduplicated):
    """So many seconds are kept."""

    def _forgets(self, state: State, win: Callback, known: WinRecord) -> bool:
        return self._is_forgotten(state, win.transaction_id, win)


@flaw(
    "tombstone-fades",
    "a rollback before its bet is remembered for a while only, so a bet that arrives later debits",
    "keep the tombstone for ever",
    "I",
)
class TombstoneFades(_ForAWhile, _Tombstones):
    """So many seconds are kept."""


@flaw(
    "rollbacks-forgotten-in-time",
    "rollbacks are remembered for a while only, so a late one refunds again",
    "mark the bet itself as rolled back, for ever",
    "T",
)
class RollbacksForgottenInTime(_ForAWhile, _Rollbacks):
    """So many seconds are kept."""

    def _subject(self, callback: Callback) -> str | None:
        return callback.reference_id if callback.kind is Kind.ROLLBACK else None


@flaw(
    "old-rollbacks-forgotten",
    "only the newest rollbacks are remembered, so one of an older bet refunds again",
    "mark the bet itself as rolled back, for ever",
    "T",
)
class OldRollbacksForgotten(_OfLength, _Rollbacks):
    """So many are kept."""


@flaw(
    "old-tombstones-forgotten",
    "only the newest rollbacks are remembered, so a bet that arrives long after its rollback debits",
    "keep the tombstone for ever",
    "I",
)
class OldTombstonesForgotten(_OfLength, _Tombstones):
    """So many are kept."""


# Only so many times its delay before and after says on a busy machine whether a record was there.
_SURELY = 4


@dataclass(frozen=True)
class _RecordedLate(_Timed):
    """Keeps a transaction's record only some time after its money moved."""

    late_s: float = 0.0

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """A tenth of a second, or a quarter; the probes wait longer than four times that."""
        return cls.each_of(record, late_s=(0.1, 0.25))

    def _is_recorded(self, state: State, transaction_id: str | None, callback: Callback) -> bool | None:
        """Whether the record is there; None where a busy machine may have delayed it, or the callback."""
        age_s = self._age_s(state, transaction_id, callback)
        return None if self.late_s / _SURELY < age_s < self.late_s * _SURELY else age_s > self.late_s


@flaw(
    "bet-recorded-late",
    "a bet is debited at once but recorded some time after the reply, so a quick retry debits again",
    "record the bet and debit it in one database transaction, committed before the reply",
    "D",
)
class BetRecordedLate(_RecordedLate):
    """Unknown for a tenth of a second."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        live = known is not None and known.fate in (Fate.OPEN, Fate.SETTLED) and known.content is not None
        recorded = self._is_recorded(state, bet.transaction_id, bet) if live else True
        if not recorded:
            yield from self._new_bet(state, bet)
        if recorded is not False:
            yield from super()._bet(state, bet)

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        open_ids = {id_ for id_, _ in bets_of(state, rollback.player_id, Fate.OPEN)}
        is_open = rollback.reference_id in open_ids
        recorded = self._is_recorded(state, rollback.reference_id, rollback) if is_open else True
        if not recorded:
            yield gives(state, rollback, *Status)
            # It may have left a tombstone, so that nothing is refunded ever after.
            id_ = rollback.reference_id or ""
            buried = state.with_bet(id_, replace(state.bets[id_], fate=Fate.REFUNDED))
            yield gives(buried, rollback, Status.SUCCESS)
        if recorded is not False:
            yield from super()._rollback_cases(state, rollback)

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        yield from super()._win(state, win)
        if not self._is_recorded(state, win.reference_id, win):
            yield refuses(state, win)


@flaw(
    "win-recorded-late",
    "a win is credited at once but recorded some time after the reply, so a quick retry credits again",
    "record the win and credit it in one database transaction, committed before the reply",
    "D",
)
class WinRecordedLate(_RecordedLate, WinNotDeduplicated):
    """Unknown for a tenth of a second."""

    def _forgets(self, state: State, win: Callback, known: WinRecord) -> bool:
        return not self._is_recorded(state, win.transaction_id, win)

    def _is_unsure(self, state: State, win: Callback, known: WinRecord) -> bool:
        return self._is_recorded(state, win.transaction_id, win) is None


@flaw(
    "quick-bets-refused",
    "a bet that comes shortly after the player's last one is refused, as if it were a double click",
    "accept bets however quickly they follow; transactionId alone tells a repetition",
    "D",
)
class QuickBetsRefused(_RecordedLate, NewBet):
    """So many seconds must go by."""

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """What is taken for a double click."""
        return cls.each_of(record, late_s=(0.05, 0.1, 0.2))

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes when the player's last bet came."""
        if callback.kind is not Kind.BET:
            return branch.state
        others = frozenset(note for note in _notes(before) if note[0] != callback.player_id)
        return branch.state.with_notes(others | {(callback.player_id, callback.timestamp)})

    def _accept(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        # The player's last bet before the history may have come at any time.
        known = any(player == bet.player_id for player, _ in _notes(state))
        apart = self._is_recorded(state, bet.player_id, bet) if known else None
        if apart is not False:
            yield branch
        if not apart:
            yield refuses(state, bet)

    def _decline(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        yield branch
        yield from self._accept(state, bet, branch)  # before anybody looked at the funds
