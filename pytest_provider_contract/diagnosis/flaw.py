"""What all flaws have in common: a flaw is the right ledger with one decision made wrongly.

A flaw overrides the decision it is about and leaves everything else to `Ledger`. What it answers
on its own account it marks with `FLAWED`, so that a mere allowance of the contract, such as an
operator's own limit, can be told from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.checks import Answer
from pytest_provider_contract.diagnosis.cause import Cause
from pytest_provider_contract.diagnosis.distortion import Distortion, distortions
from pytest_provider_contract.diagnosis.record import Record
from pytest_provider_contract.history import Defect, Exchange
from pytest_provider_contract.ledger import BetRecord, Branch, Fate, Ledger, State
from pytest_provider_contract.profile import Kind, Status

FLAWED = "flawed"
# What `Callback.content` holds, by the names of its attributes.
CONTENT = ("player_id", "reference_id", "round_id", "game_id", "amount", "currency", "is_free", "reward_id")


class Flaw(Ledger):
    """The right ledger with one flaw; a subclass overrides the decision that is wrong.

    Attributes:
        cause: What the flaw says about the operator.
        steady: Whether it can't come and go, because it is how the operator writes or reads.
        shown_by: For a flaw that could explain almost anything: another one that must explain
            some broken history of the same wallet before it is believed.
        made_to_fit: Whether its parameter is made from the answer to be explained, so that whatever
            else explains it is the better cause.
        timed: Whether it depends on how much time goes by.
    """

    cause: ClassVar[Cause]
    steady: ClassVar[bool] = False
    shown_by: ClassVar[type[Flaw] | None] = None
    made_to_fit: ClassVar[bool] = False
    timed: ClassVar[bool] = False

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """The forms of this flaw worth trying on a record, the plainest first."""
        yield cls.of(record)

    @classmethod
    def of(cls, record: Record, **parameters: Any) -> Flaw:
        """This flaw for the players and choices of a record."""
        right = record.ledger
        return cls(right.currencies, right.rewards, right.either, **parameters)

    @classmethod
    def each_of(cls, record: Record, **values: Iterable[Any]) -> Iterator[Flaw]:
        """This flaw with each value of one parameter in turn, without repetitions."""
        ((name, tried),) = values.items()
        for value in dict.fromkeys(tried):
            yield cls.of(record, **{name: value})

    @property
    def diagnosis(self) -> Cause:
        """The cause, in the form that its parameters give it."""
        return self.cause

    def again(self, record: Record) -> Flaw:
        """The same flaw, with the same parameters, for another record."""
        right = record.ledger
        return replace(self, currencies=right.currencies, rewards=right.rewards, either=right.either)

    def read(self, exchange: Exchange) -> tuple[Callback, Defect | None]:
        """The callback as the flawed wallet reads it, and what it finds wrong with it."""
        return exchange.callback, exchange.defect

    def openings(self, told: State) -> Iterable[State]:
        """What the wallet may have held when it told its first balances."""
        yield told

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:  # noqa: ARG002 - overrides use it
        """The state after an answer; a flaw that remembers something notes it here."""
        return branch.state


class BalanceAside(Flaw):
    """/balance tells something else than the money; what a player has is told by the other callbacks."""

    def openings(self, told: State) -> Iterable[State]:
        """Nobody's money is known."""
        yield told.with_notes(frozenset(told.balances))

    def _known_player(self, state: State, callback: Callback) -> Iterator[Branch]:
        for branch in super()._known_player(state, callback):
            if callback.kind is Kind.BALANCE:
                yield self._told(state, branch)
            else:
                yield replace(branch, balances=None) if callback.player_id in state.notes else branch

    def _told(self, state: State, branch: Branch) -> Branch:  # noqa: ARG002 - overrides use it
        return replace(branch, rule=FLAWED, balances=None)

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Takes over what a player's first other callback tells."""
        state = super().after(before, branch, callback, answer)
        if callback.kind is Kind.BALANCE or callback.player_id not in before.notes or answer.balance is None:
            return state
        known = state.moved(callback.player_id, answer.balance - state.balances[callback.player_id])
        return known.with_notes(known.notes - {callback.player_id})


@dataclass(frozen=True)
class WrongAmount(Flaw):
    """Moves a function of the amount in its place."""

    made_to_fit = True
    kind: ClassVar[Kind]
    distortion: Distortion | None = None

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """Whatever makes the observed amount of the right one."""
        return cls.each_of(record, distortion=distortions(observed(record, cls.kind)))

    def _excess(self, right: int) -> int:
        """Minor units that are moved beyond the right ones."""
        assert self.distortion is not None  # noqa: S101 - guesses() sets it
        return self.distortion.apply(right) - right


_F = TypeVar("_F", bound=type[Flaw])

CATALOGUE: list[type[Flaw]] = []


def flaw(id_: str, text: str, remedy: str, source: str) -> Callable[[_F], _F]:
    """Adds a class to the catalogue; common flaws stand before rare ones in their file.

    Args:
        id_: The cause's id; several forms of one cause may share it.
        text: What is wrong.
        remedy: What to do instead.
        source: T, D, O or I.
    """

    def register(cls: _F) -> _F:
        cls.cause = Cause(id_, text, remedy, source)
        # In place: a frozen dataclass without slots is the class itself.
        dataclass(frozen=True)(cls)
        CATALOGUE.append(cls)
        return cls

    return register


# -- what flaws are written with ------------------------------------------------------------------


def gives(state: State, callback: Callback, *statuses: Status) -> Branch:
    """A flawed answer that reports the balance of the state it leads to."""
    balances = frozenset({state.balances[callback.player_id]}) if callback.player_id in state.balances else None
    return Branch(frozenset(statuses), state, FLAWED, balances)


def refuses(state: State, callback: Callback) -> Branch:
    """A flawed error that moves nothing."""
    return gives(state, callback, *(set(Status) - {Status.SUCCESS}))


def moves(branch: Branch, callback: Callback, delta: int, player_id: str | None = None) -> Branch:
    """A branch that moves some money more than it should."""
    if not delta:
        return branch
    state = branch.state.moved(player_id or callback.player_id, delta)
    return replace(branch, state=state, rule=FLAWED, balances=frozenset({state.balances[callback.player_id]}))


def tells(branch: Branch, *balances: int) -> Branch:
    """A branch that reports other balances than it should."""
    told = frozenset(balances)
    if told == branch.balances:
        return branch
    # What is told of the money is no reason to decline a bet: that remains the operator's own.
    return replace(branch, rule=None if branch.rule is None else FLAWED, balances=told)


def succeeds(branch: Branch) -> bool:
    """Whether a branch answers SUCCESS."""
    return Status.SUCCESS in branch.statuses


def delta(before: State, branch: Branch, player_id: str) -> int:
    """Minor units that a branch moves on a player's account."""
    return branch.state.balances[player_id] - before.balances[player_id]


def part(record: BetRecord, name: str) -> Any:
    """One field of the content that a bet came with."""
    return record.content[CONTENT.index(name)] if record.content else None


def named_bet(state: State, callback: Callback) -> BetRecord | None:
    """The player's own bet that a win or rollback names, if it has arrived."""
    bet = state.bets.get(callback.reference_id or "")
    return bet if bet is not None and bet.content is not None and bet.player_id == callback.player_id else None


def buries(before: State, rollback: Callback, answer: Answer) -> bool:
    """Whether a callback is a rollback that succeeded although its bet had not arrived."""
    found = before.bets.get(rollback.reference_id or "")
    unseen = found is None or found.content is None
    return rollback.kind is Kind.ROLLBACK and unseen and answer.status is Status.SUCCESS


def bets_of(state: State, player_id: str, *fates: Fate, round_id: object = None) -> list[tuple[str, BetRecord]]:
    """A player's bets in the order of their arrival, with their transactionIds."""
    wanted = fates or tuple(Fate)
    return [
        (id_, bet)
        for id_, bet in state.bets.items()
        if bet.content is not None and bet.player_id == player_id and bet.fate in wanted
        if round_id is None or part(bet, "round_id") == round_id
    ]


def accepted(state: State, callback: Callback) -> list[tuple[str, BetRecord]]:
    """The player's bets that were accepted, whatever became of them."""
    return bets_of(state, callback.player_id, Fate.OPEN, Fate.SETTLED, Fate.REFUNDED)


def only(kind: Kind, callback: Callback, defect: Defect | None) -> bool:
    """Whether a callback is a correct one of a kind."""
    return callback.kind is kind and defect is None


def observed(record: Record, kind: Kind) -> Iterator[tuple[int, int]]:
    """How far the money moved at the answer that the contract does not explain.

    Yields:
        Minor units that should have moved, and those that did, by one of the states before.
    """
    exchange, answer, states = record.breach()
    if exchange is None or answer is None or answer.balance is None or exchange.kind is not kind:
        return
    for state in states:
        for branch in record.ledger.branches(state, exchange.callback, exchange.defect):
            player = exchange.callback.player_id
            if answer.status in branch.statuses and player in state.balances:
                yield delta(state, branch, player), answer.balance - state.balances[player]
