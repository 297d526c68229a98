"""The oracle: which answers a wallet may give to a callback, and what it holds afterwards.

The ledger is a relation, not a function. For a state and a callback, `Ledger.branches` lists
every conforming pair of answer and next state; where the contract says *either*, there are
several. Whoever judges keeps the set of states that still explain what was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.history import Defect
from pytest_provider_contract.profile import Either, Kind, Status

ANY = frozenset(Status)
ERRORS = ANY - {Status.SUCCESS}
OK = frozenset({Status.SUCCESS})

LARGE = 1 << 31
HUGE = 1 << 53
MAX_AMOUNT = (1 << 63) - 1
# A reply whose balance nobody knows: lost, or never waited for.
UNTOLD = -1

# Where `Callback.content` has round and game.
_ROUND_AND_GAME = slice(2, 4)


class Fate(StrEnum):
    """What has become of a bet's transactionId."""

    OPEN = "open"
    SETTLED = "settled"
    REFUNDED = "refunded"
    DECLINED = "declined"
    VOID = "void"  # rolled back with SUCCESS, by whomever, before it arrived or after it was declined
    SHUNNED = "shunned"  # its rollback was refused before it arrived


@dataclass(frozen=True, slots=True)
class BetRecord:
    """What the wallet knows of one bet's transactionId.

    Attributes:
        player_id: Who bet, or whose rollback named it first.
        content: What must not change between replays: amount, round, game, currency, free;
            None before the bet arrives.
        amount: Minor units that were debited.
        fate: What has become of it.
        free: Whether a reward paid for it.
        reported: Balance of the original reply, which a replay may repeat.
        refund_reported: Balance of the first successful rollback's reply.
        shunned: Whether a rollback of it was refused before it arrived.
        promised: Players whose own rollback succeeded before it arrived, each with the balance
            that was reported: nobody else's rollback binds a wallet.
    """

    player_id: str
    content: tuple[object, ...] | None
    amount: int
    fate: Fate
    free: bool = False
    reported: int | None = None
    refund_reported: int | None = None
    shunned: bool = False
    promised: frozenset[tuple[str, int]] = frozenset()

    def promised_to(self, player_id: str) -> int | None:
        """The balance reported when a rollback of this player succeeded, or None."""
        return next((balance for promised, balance in self.promised if promised == player_id), None)


@dataclass(frozen=True, slots=True)
class WinRecord:
    """What the wallet knows of one win's transactionId.

    `early` if its bet was unseen then, `refused` are the contents that it was refused with: which
    of them a wallet remembers, if any, is left to it.
    """

    player_id: str
    reference_id: str
    content: tuple[object, ...]
    amount: int
    credited: bool
    early: bool
    reported: int | None = None
    refused: frozenset[tuple[object, ...]] = frozenset()


class State:
    """Balances in minor units per player, and what is known of each transaction.

    Immutable and hashable, so that states can be kept in sets.

    Attributes:
        balances: Minor units per player id.
        bets: Record per bet's transactionId.
        wins: Record per win's transactionId.
        rollbacks: Per rollback's transactionId the balance its first reply reported.
        closed: Rounds that a win or rollback has closed.
        notes: What a ledger with a flaw remembers besides; the right one needs none.
    """

    __slots__ = ("_hash", "balances", "bets", "closed", "notes", "rollbacks", "wins")

    def __init__(  # noqa: PLR0917 - a value with its fields in order
        self,
        balances: Mapping[str, int],
        bets: Mapping[str, BetRecord] | None = None,
        wins: Mapping[str, WinRecord] | None = None,
        rollbacks: Mapping[str, int] | None = None,
        closed: frozenset[str] = frozenset(),
        notes: frozenset[object] = frozenset(),
    ) -> None:
        self.balances = balances
        self.bets = bets or {}
        self.wins = wins or {}
        self.rollbacks = rollbacks or {}
        self.closed = closed
        self.notes = notes
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        mine = (self.balances, self.bets, self.wins, self.rollbacks, self.closed, self.notes)
        return mine == (other.balances, other.bets, other.wins, other.rollbacks, other.closed, other.notes)

    def __hash__(self) -> int:
        # What replies reported tells apart the states of overlapping callbacks; equality settles the rest.
        if self._hash is None:
            bets = frozenset((id_, bet.fate, bet.reported, bet.refund_reported) for id_, bet in self.bets.items())
            wins = frozenset((id_, win.credited, win.reported) for id_, win in self.wins.items())
            self._hash = hash((frozenset(self.balances.items()), bets, wins, frozenset(self.rollbacks.items())))
        return self._hash

    def __repr__(self) -> str:
        return f"State({dict(self.balances)}, {dict(self.bets)}, {dict(self.wins)}, {dict(self.rollbacks)})"

    def moved(self, player_id: str, amount: int) -> State:
        """This state with an amount added to a player's balance."""
        balances = {**self.balances, player_id: self.balances[player_id] + amount} if amount else self.balances
        return State(balances, self.bets, self.wins, self.rollbacks, self.closed, self.notes)

    def with_bet(self, transaction_id: str, record: BetRecord) -> State:
        """This state with one bet's record set."""
        bets = {**self.bets, transaction_id: record}
        return State(self.balances, bets, self.wins, self.rollbacks, self.closed, self.notes)

    def with_win(self, transaction_id: str, record: WinRecord) -> State:
        """This state with one win's record set."""
        wins = {**self.wins, transaction_id: record}
        return State(self.balances, self.bets, wins, self.rollbacks, self.closed, self.notes)

    def with_rollback(self, transaction_id: str, reported: int) -> State:
        """This state with the balance of a rollback's first reply remembered."""
        rollbacks = {**self.rollbacks, transaction_id: reported}
        return State(self.balances, self.bets, self.wins, rollbacks, self.closed, self.notes)

    def with_closed(self, round_id: str) -> State:
        """This state with one round closed."""
        return State(self.balances, self.bets, self.wins, self.rollbacks, self.closed | {round_id}, self.notes)

    def with_notes(self, notes: frozenset[object]) -> State:
        """This state with other notes."""
        return State(self.balances, self.bets, self.wins, self.rollbacks, self.closed, notes)


@dataclass(frozen=True, slots=True)
class Branch:
    """One conforming way to answer.

    Attributes:
        statuses: The statuses of this answer.
        state: What the wallet holds afterwards.
        rule: The rule that this answer obeys; None for an answer that is allowed but shows
            nothing, such as a bet declined by the operator's own limit.
        balances: Every balance the reply may report, in minor units; None leaves it open.
        advisory: SHOULD rules that this answer does not follow.
    """

    statuses: frozenset[Status]
    state: State
    rule: str | None
    balances: frozenset[int] | None
    advisory: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ledger:
    """The contract's money rules for some players.

    Args:
        currencies: Currency of every player the operator knows.
        rewards: Free-bet rewards that were granted.
        either: Which of the contract's choices conform.
    """

    currencies: Mapping[str, str]
    rewards: frozenset[str] = frozenset()
    either: Either = field(default_factory=Either)

    def branches(self, state: State, callback: Callback, defect: Defect | None = None) -> list[Branch]:
        """Every conforming answer to a callback.

        Args:
            state: What the wallet holds before.
            callback: What the provider meant.
            defect: What is deliberately wrong with the request as it was sent.
        """
        if defect is not None:
            return list(self._defective(state, callback, defect))
        return list(self._correct(state, callback))

    # -- correct requests -------------------------------------------------------------------

    def _correct(self, state: State, callback: Callback) -> Iterator[Branch]:
        if callback.player_id not in state.balances:
            yield Branch(ERRORS, state, "PLAYER-02", None)
            for after in self._after_anothers_rollback(state, callback):
                yield Branch(OK, after, "PLAYER-02", None, frozenset({"PLAYER-03"}))
            return
        for branch in self._known_player(state, callback):
            if callback.round_closed and callback.round_id and Status.SUCCESS in branch.statuses:
                yield replace(branch, state=branch.state.with_closed(callback.round_id))
            else:
                yield branch

    def _known_player(self, state: State, callback: Callback) -> Iterator[Branch]:
        match callback.kind:
            case Kind.BALANCE:
                yield _still(state, callback, OK, "BALANCE-01")
            case Kind.BET:
                yield from self._bet(state, callback)
            case Kind.WIN:
                yield from self._win(state, callback)
            case Kind.ROLLBACK:
                yield from self._rollback(state, callback)

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = self._known_bet(state, bet)
        if known is None:
            yield from self._new_bet(state, bet)
        elif known.content is None and known.promised_to(bet.player_id) is not None:
            yield self._arrived_void(state, bet, known, ANY)
        elif known.content is None:
            # Its rollback came first and was refused, or was another player's: the bet counts,
            # unless it is declined.
            yield from (b for b in self._new_bet(state, bet) if b.rule is not None or b.statuses == OK)
            yield self._declined(state, bet, ERRORS, "ROLLBACK-05" if known.shunned else None)
            if known.fate is Fate.VOID:
                yield self._arrived_void(state, bet, known, ANY)
        elif known.fate is Fate.DECLINED:
            # Nothing was moved, so the wallet may decline it again or take it as new.
            yield self._replay(state, bet, ERRORS, "BET-08", known.reported)
            for branch in self._new_bet(state, bet):
                if branch.statuses == OK:
                    yield replace(branch, rule="BET-08")
        elif known.content != bet.content:
            duplicate = frozenset({Status.DUPLICATE})
            yield self._replay(state, bet, duplicate, "IDEM-03", known.reported)
            others = self._replay(state, bet, ANY - duplicate, "IDEM-03", known.reported)
            yield replace(others, advisory=frozenset({"IDEM-05"}))
        elif known.fate in (Fate.REFUNDED, Fate.VOID):
            yield self._replay(state, bet, ANY, "IDEM-06", known.reported)
        else:
            rule = "IDEM-07" if known.fate is Fate.SETTLED else "IDEM-01"
            yield self._replay(state, bet, self.either.bet_replay, rule, known.reported)

    def _known_bet(self, state: State, bet: Callback) -> BetRecord | None:
        """What is known of the transaction that a bet repeats; None for a new one."""
        return state.bets.get(_id(bet))

    def _arrived_void(self, state: State, bet: Callback, known: BetRecord, statuses: frozenset[Status]) -> Branch:
        arrived = replace(
            known,
            player_id=bet.player_id,
            content=bet.content,
            reported=state.balances[bet.player_id],
            refund_reported=known.promised_to(bet.player_id),
            promised=frozenset(),
        )
        return _still(state.with_bet(_id(bet), arrived), bet, statuses, "ROLLBACK-05")

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(_id(bet))
        amount, balance = _amount(bet), state.balances[bet.player_id]
        early = _credited_wins(state, _id(bet), bet.player_id)
        accepted = replace(
            _bet_record(bet, Fate.SETTLED if early else Fate.OPEN, balance - amount),
            shunned=known is not None and known.shunned,
        )
        taken = state.moved(bet.player_id, -amount).with_bet(_id(bet), accepted)
        if bet.currency != self.currencies[bet.player_id]:
            yield self._declined(state, bet, ERRORS, "BET-05")
        elif bet.is_free and bet.reward_id not in self.rewards:
            yield self._declined(state, bet, frozenset({Status.BONUS}), "FREE-02")
        elif bet.is_free:
            unpaid = state.with_bet(_id(bet), replace(accepted, amount=0, reported=balance))
            yield _still(unpaid, bet, OK, "FREE-01")
            if 0 < amount <= balance:
                # The provider's have amount 0; in others a wallet may look at either field.
                yield replace(_still(taken, bet, OK, "FREE-01"), rule=None)
            yield self._declined(state, bet, ERRORS, None)  # the reward may be used up
        elif amount == 0:
            if self.either.zero_bet_accepted:
                yield _still(taken, bet, OK, "BET-06")
            if self.either.zero_bet_declined:
                yield self._declined(state, bet, ERRORS, "BET-06")
        elif amount > balance:
            rule = "AMOUNT-04" if amount >= MAX_AMOUNT else "BET-03"
            yield self._declined(state, bet, frozenset({Status.INSUFFICIENT_BALANCE}), rule)
            yield self._declined(state, bet, frozenset({Status.BET_LIMIT}), None)
        else:
            yield _still(taken, bet, OK, "BET-02" if amount == balance else _sized(amount, "BET-01"))
            # An operator may decline for reasons of its own. Only a run can tell a wallet that
            # does so now and then from one that always does.
            yield self._declined(state, bet, frozenset({Status.BET_LIMIT, Status.UNKNOWN}), None)
        if bet.round_id in state.closed:
            # The provider has promised that no more follows; the wallet may insist on that.
            yield self._declined(state, bet, frozenset({Status.UNKNOWN}), None)

    def _declined(self, state: State, bet: Callback, statuses: frozenset[Status], rule: str | None) -> Branch:
        record = _bet_record(bet, Fate.DECLINED, state.balances[bet.player_id])
        return _still(state.with_bet(_id(bet), record), bet, statuses, rule)

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        known = self._known_win(state, win)
        bet, theirs = state.bets.get(win.reference_id or ""), None
        if bet is not None and bet.content is None and bet.promised_to(win.player_id) is None:
            bet = None  # only a rollback has named it
        elif bet is not None and bet.content is not None and bet.player_id != win.player_id:
            theirs, bet = bet, None  # another player's bet is no bet of this one
        if known is not None and known.credited:
            if known.content == win.content:
                arrived = known.early and bet is not None and bet.fate is Fate.SETTLED
                yield self._replay(state, win, OK, "ORDER-02" if arrived else "IDEM-02", known.reported)
            else:
                duplicate = frozenset({Status.DUPLICATE})
                yield self._replay(state, win, duplicate, "IDEM-04", known.reported)
                others = self._replay(state, win, ANY - duplicate, "IDEM-04", known.reported)
                yield replace(others, advisory=frozenset({"IDEM-05"}))
            return
        for branch in self._uncredited_win(state, win, bet, refused_before=known is not None):
            yield branch
            if theirs is not None and theirs.fate is Fate.OPEN and branch.statuses == OK:
                # Nobody says what becomes of a bet whose win was credited to somebody else.
                settled = replace(theirs, fate=Fate.SETTLED)
                yield replace(branch, state=branch.state.with_bet(win.reference_id or "", settled))
        if known is not None and (remembered := known.refused - {win.content}):
            # A wallet that remembers what it refused may see a conflict, but none with what it remembers.
            state = state.with_win(_id(win), replace(known, refused=remembered))
            yield self._replay(state, win, frozenset({Status.DUPLICATE}), "IDEM-04", known.reported)
            others = self._replay(state, win, ERRORS - {Status.DUPLICATE}, "IDEM-04", known.reported)
            yield replace(others, advisory=frozenset({"IDEM-05"}))

    def _known_win(self, state: State, win: Callback) -> WinRecord | None:
        """What is known of the transaction that a win repeats; None for a new one."""
        return state.wins.get(_id(win))

    def _uncredited_win(
        self, state: State, win: Callback, bet: BetRecord | None, *, refused_before: bool
    ) -> Iterator[Branch]:
        if bet is None:
            if self.either.early_win_refused:
                yield self._refused(state, win, "ORDER-01", early=True)
            if self.either.early_win_credited:
                yield self._credited(state, win, "ORDER-01", early=True)
        elif bet.fate is Fate.OPEN:
            rule = "FREE-03" if bet.free else _sized(_amount(win), "WIN-01" if win.amount else "WIN-02")
            yield self._credited(state, win, "ORDER-02" if refused_before else rule)
            if _id(win) in state.bets or _is_of_another_game(win, bet):
                # A stray rollback has named the win itself, and the wallet may remember that; or
                # what it took for the bet was sent to provoke a conflict, in a round or game of its own.
                yield replace(self._refused(state, win, rule), rule=None)
        elif bet.fate is Fate.SETTLED:
            # A second win of one bet: the contract says nothing, so only the answer must be true.
            yield self._refused(state, win, "WIN-05")
            yield self._credited(state, win, "WIN-05")
        else:
            yield self._refused(state, win, "WIN-05")
            yield replace(self._credited(state, win, "WIN-05"), advisory=frozenset({"WIN-04"}))

    def _credited(self, state: State, win: Callback, rule: str, *, early: bool = False) -> Branch:
        after = state.moved(win.player_id, _amount(win))
        bet = state.bets.get(win.reference_id or "")
        if bet is not None and bet.fate is Fate.OPEN and bet.player_id == win.player_id:
            after = after.with_bet(win.reference_id or "", replace(bet, fate=Fate.SETTLED))
        record = _win_record(win, after.balances[win.player_id], credited=True, early=early)
        return _still(after.with_win(_id(win), record), win, OK, rule)

    def _refused(self, state: State, win: Callback, rule: str, *, early: bool = False) -> Branch:
        known = state.wins.get(_id(win))
        record = known or _win_record(win, state.balances[win.player_id], credited=False, early=early)
        record = replace(record, refused=record.refused | {win.content})
        return self._replay(state.with_win(_id(win), record), win, ERRORS, rule, record.reported)

    def _rollback(self, state: State, rollback: Callback) -> Iterator[Branch]:
        # Whatever the case, a repeated rollback may report what its first reply reported, and
        # the first reply's balance is the one after it took effect.
        id_ = _id(rollback)
        for branch in self._rollback_cases(state, rollback):
            moves = branch.state.balances != state.balances
            told = None if moves else state.rollbacks.get(id_)
            reported = branch.state.balances[rollback.player_id] if told is None else told
            original = told if self.either.replay_reports_original else None
            balances = branch.balances
            if balances is not None and original is not None:
                balances |= {original}
            yield replace(
                branch,
                state=branch.state.with_rollback(id_, reported),
                balances=None if original == UNTOLD else balances,
            )

    def _rollback_cases(self, state: State, rollback: Callback) -> Iterator[Branch]:
        reference = rollback.reference_id or ""
        bet = state.bets.get(reference)
        if bet is None or bet.content is None:
            yield from self._unseen_rollback(state, rollback, bet)
        elif bet.player_id != rollback.player_id:
            yield _still(state, rollback, ERRORS, "PLAYER-04")
            for after in self._after_anothers_rollback(state, rollback):
                yield _still(after, rollback, OK, "PLAYER-04")
            if bet.fate in (Fate.DECLINED, Fate.VOID):
                # A bet that the wallet did not keep is unknown to it: this may repeat an earlier reply.
                yield Branch(OK, state, "PLAYER-04", None)
        elif bet.fate is Fate.OPEN:
            rule = "FREE-04" if bet.free else "ROLLBACK-06" if bet.shunned else _sized(bet.amount, "ROLLBACK-01")
            yield self._refunded(state, rollback, bet, rule)
            if _is_of_another_game(rollback, bet):
                yield _still(state, rollback, ERRORS, None)  # as for a win
        elif bet.fate in (Fate.REFUNDED, Fate.VOID):
            rule = "ROLLBACK-02" if _id(rollback) in state.rollbacks else "ROLLBACK-03"
            yield self._replay(state, rollback, OK, rule, bet.refund_reported)
        elif bet.fate is Fate.DECLINED:
            # Should the bet come again, its first reply may be the one before or the one after this.
            # And where it may have been rolled back before, this may repeat that reply.
            before = bet.refund_reported == UNTOLD
            told_now = UNTOLD if before else state.balances[rollback.player_id]
            void = replace(bet, fate=Fate.VOID, reported=UNTOLD, refund_reported=told_now)
            done = _still(state.with_bet(reference, void), rollback, OK, "ROLLBACK-07")
            yield replace(done, balances=None) if before else done
            yield _still(state, rollback, ERRORS, "ROLLBACK-07")
            if _credited_wins(state, reference, rollback.player_id):
                # A wallet that forgets what it declined takes the bet for one settled before it came.
                yield _still(state, rollback, OK, "ROLLBACK-07")
        else:
            yield _still(state, rollback, ANY, "ROLLBACK-11")
            yield from self._settled_rollback(state, rollback, bet)

    def _unseen_rollback(self, state: State, rollback: Callback, bet: BetRecord | None) -> Iterator[Branch]:
        reference, player_id = rollback.reference_id or "", rollback.player_id
        unseen = bet or BetRecord(player_id, None, 0, Fate.SHUNNED)
        if reference in state.wins:
            # The provider never sends it, so all that counts is that no money moves.
            yield _still(state, rollback, ANY, "ROLLBACK-10")
            yield _still(state.with_bet(reference, replace(unseen, fate=Fate.VOID)), rollback, OK, "ROLLBACK-10")
            return
        if (promised := unseen.promised_to(player_id)) is not None:
            rule = "ROLLBACK-02" if _id(rollback) in state.rollbacks else "ROLLBACK-03"
            yield self._replay(state, rollback, OK, rule, promised)
            return
        rule = "ROLLBACK-04"
        if self.either.unknown_rollback_succeeds:
            promises = unseen.promised | {(player_id, state.balances[player_id])}
            void = replace(unseen, fate=Fate.VOID, promised=promises)
            yield _still(state.with_bet(reference, void), rollback, OK, rule)
        if self.either.unknown_rollback_refused:
            yield _still(state.with_bet(reference, replace(unseen, shunned=True)), rollback, ERRORS, rule)
        if _credited_wins(state, reference, player_id):
            # Its win came first, so it is settled: nothing to refund, now or when it arrives.
            yield _still(state, rollback, OK, rule)

    def _after_anothers_rollback(self, state: State, callback: Callback) -> Iterator[State]:
        """States after a rollback by somebody who did not make the bet was answered SUCCESS."""
        yield state
        reference = callback.reference_id or ""
        bet = state.bets.get(reference)
        if callback.kind is not Kind.ROLLBACK or (bet is not None and bet.fate not in (Fate.SHUNNED, Fate.DECLINED)):
            return
        # A bet the wallet has not kept is unknown to it, and it may remember this rollback.
        unseen = BetRecord(callback.player_id, None, 0, Fate.VOID, shunned=bet is not None and bet.shunned)
        yield state.with_bet(reference, unseen)

    def _refunded(self, state: State, rollback: Callback, bet: BetRecord, rule: str) -> Branch:
        after = state.moved(bet.player_id, bet.amount)
        refunded = replace(bet, fate=Fate.REFUNDED, refund_reported=after.balances[rollback.player_id])
        return _still(after.with_bet(rollback.reference_id or "", refunded), rollback, OK, rule)

    def _settled_rollback(self, state: State, rollback: Callback, bet: BetRecord) -> Iterator[Branch]:
        # The provider never sends it; a wallet that refunds the stake, or undoes the whole
        # bet, breaks a SHOULD rule only.
        advisory = frozenset({"ROLLBACK-09"})
        refunded = self._refunded(state, rollback, bet, "ROLLBACK-11")
        yield replace(refunded, advisory=advisory)
        won = sum(win.amount for win in _credited_wins(state, rollback.reference_id or "", bet.player_id))
        if won and state.balances[bet.player_id] + bet.amount >= won:
            undone = refunded.state.moved(bet.player_id, -won)
            yield replace(_still(undone, rollback, OK, "ROLLBACK-11"), advisory=advisory)

    def _replay(
        self, state: State, callback: Callback, statuses: frozenset[Status], rule: str, original: int | None
    ) -> Branch:
        current = state.balances[callback.player_id]
        original = current if original is None else original
        if original == UNTOLD and self.either.replay_reports_original:
            return Branch(statuses, state, rule, None)
        choices = ((self.either.replay_reports_current, current), (self.either.replay_reports_original, original))
        return Branch(statuses, state, rule, frozenset(balance for allowed, balance in choices if allowed))

    # -- requests with something wrong ------------------------------------------------------

    def _defective(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        if defect.rule == "SIG-09":
            # Nobody but the provider can have made it, so the callback may count.
            yield Branch(ERRORS, state, defect.rule, None)
            for branch in self._correct(state, callback):
                yield replace(branch, rule=None, advisory=branch.advisory | {"SIG-09"})
            return
        if defect.kind != "field":
            # A bad signature or no JSON object: nobody can say who asked, so no balance is due.
            yield Branch(ERRORS, state, defect.rule, None)
            return
        match defect.field:
            case "amount":
                yield from self._wrong_amount(state, callback, defect)
            case "clientPlayerId":
                yield Branch(ANY, state, defect.rule, None)
            case "referenceTransactionId" if callback.kind is Kind.ROLLBACK:
                yield Branch(ANY, state, defect.rule, None)
            case "currency" if callback.kind is Kind.BET and defect.rule == "BET-05":
                yield self._declined(state, callback, ERRORS, defect.rule)
            case _:
                # The wallet may do without the field, or refuse.
                yield Branch(ERRORS, state, defect.rule, None)
                for branch in self._correct(state, callback):
                    yield replace(branch, rule=defect.rule, balances=None)

    def _wrong_amount(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        if callback.kind is Kind.BET:
            # Not one of the amounts of the contract: whatever it is, it can't have been debited. An
            # amount that is not there may be read as 0, though, and such a bet may be accepted.
            absent = defect.json in (None, "null")
            yield Branch(ANY if absent else ERRORS, state, defect.rule, None)
            return
        yield Branch(ANY, state, defect.rule, None)
        spelled = (defect.json or "").strip('"')
        if defect.rule == "REPLY-03" and spelled.isdigit():
            # A numeric string is read as the number it spells by lenient wallets.
            for branch in self._correct(state, replace(callback, amount=int(spelled))):
                yield replace(branch, rule=defect.rule, balances=None)


def told(before: State, after: State, callback: Callback, balance: int) -> State:
    """A state in which a callback that took effect reported another balance than its own.

    Args:
        before: The state before the callback.
        after: The state of the branch that was taken.
        callback: The callback.
        balance: Minor units that the reply reported, or `UNTOLD`; a replay may repeat them.
    """
    id_, reference = _id(callback), callback.reference_id or ""
    bet, win = after.bets.get(id_), after.wins.get(id_)
    if callback.kind is Kind.BET and bet is not None and bet != before.bets.get(id_):
        return after.with_bet(id_, replace(bet, reported=balance))
    if callback.kind is Kind.WIN and win is not None and win != before.wins.get(id_):
        return after.with_win(id_, replace(win, reported=balance))
    if callback.kind is not Kind.ROLLBACK:
        return after
    if id_ not in before.rollbacks and id_ in after.rollbacks:
        after = after.with_rollback(id_, balance)
    bet = after.bets.get(reference)
    if bet is not None and bet != before.bets.get(reference):
        promised = frozenset((p, balance if p == callback.player_id else b) for p, b in bet.promised)
        refund = None if bet.refund_reported is None else balance
        after = after.with_bet(reference, replace(bet, refund_reported=refund, promised=promised))
    return after


def _still(state: State, callback: Callback, statuses: frozenset[Status], rule: str | None) -> Branch:
    """An answer that reports the balance of the state it leads to."""
    return Branch(statuses, state, rule, frozenset({state.balances[callback.player_id]}))


def _credited_wins(state: State, reference_id: str, player_id: str) -> list[WinRecord]:
    wins = state.wins.values()
    return [win for win in wins if win.credited and (win.reference_id, win.player_id) == (reference_id, player_id)]


def _id(callback: Callback) -> str:
    return callback.transaction_id or ""


def _amount(callback: Callback) -> int:
    return callback.amount or 0


def _sized(amount: int, rule: str) -> str:
    return "AMOUNT-03" if amount > HUGE else "AMOUNT-01" if amount >= LARGE else rule


def _is_of_another_game(callback: Callback, bet: BetRecord) -> bool:
    there = (callback.round_id, callback.game_id)
    return bet.content is not None and there != bet.content[_ROUND_AND_GAME]


def _bet_record(bet: Callback, fate: Fate, reported: int) -> BetRecord:
    return BetRecord(bet.player_id, bet.content, _amount(bet), fate, bool(bet.is_free), reported)


def _win_record(win: Callback, reported: int, *, credited: bool, early: bool) -> WinRecord:
    return WinRecord(
        win.player_id,
        win.reference_id or "",
        win.content,
        _amount(win),
        credited,
        early,
        reported,
    )
