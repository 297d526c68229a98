"""Scenarios: sequences of callbacks as plain data, and how they are kept as JSON.

A scenario plans some bets and lists steps that send a callback of one of them. A bet has one
transactionId, so sending it twice is a replay; its win likewise; its rollbacks have one per
`attempt`. No step depends on another, so any step can be left out: that is what makes
scenarios easy to shrink. Ids, timestamps and signatures are minted when a step is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal

from pytest_provider_contract.callbacks import Spelling
from pytest_provider_contract.history import UNKNOWN_PLAYER
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.schemas import first_error
from pytest_provider_contract.signing import Forgery
from pytest_provider_contract.transport import Fault

_MANY = 24

# "lower amount" is half of it; "free" makes a bet for money of a free one, and the other way round; a win's
# "bet" is one that nobody knows, its "next bet" the one that is planned after its own.
Conflict = Literal["amount", "lower amount", "round", "game", "free", "bet", "next bet"]
Reward = Literal["granted", "unknown"]

FORGERY_RULES: dict[Forgery, str] = {
    Forgery.ABSENT: "SIG-01",
    Forgery.EMPTY: "SIG-01",
    Forgery.NOT_BASE64: "SIG-02",
    Forgery.STRAY: "SIG-09",
    Forgery.TRUNCATED: "SIG-02",
    Forgery.OTHER_KEY: "SIG-03",
    Forgery.CHANGED_AMOUNT: "SIG-04",
    Forgery.CHANGED_SPACE: "SIG-04",
    Forgery.TRIMMED: "SIG-04",
    Forgery.REUSED: "SIG-04",
    Forgery.PSS: "SIG-05",
    Forgery.SHA1: "SIG-05",
}


class ScenarioError(ValueError):
    """A recorded scenario can't be read; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class BetPlan:
    """One bet that steps can send, win and roll back.

    Attributes:
        stake: Minor units; added to the player's balance when `of_balance`.
        win: Minor units its win pays; 0 settles it as lost.
        of_balance: Whether the stake counts from the balance at the time of sending.
        player: Index of the player who bets.
        round: Bets of the same number share a round, also those of different players.
        reward: For a free bet: a granted or an unknown reward.
    """

    stake: int
    win: int = 0
    of_balance: bool = False
    player: int = 0
    round: int = 0
    reward: Reward | None = None


@dataclass(frozen=True, slots=True)
class Damage:
    """Something wrong with a body, signed correctly all the same.

    Attributes:
        rule: The rule that says how the operator must take it.
        field: The field that is wrong, or None when the whole body is.
        json: JSON text that is put there instead; None leaves the field out.
        raw: A whole other body, each character one byte.
        cut: Whether only the first half of the right body is sent.
    """

    rule: str = "REPLY-03"
    field: str | None = None
    json: str | None = None
    raw: str | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One callback to send.

    Attributes:
        send: Which callback.
        bet: Index of the bet it is about; None for a balance.
        player: Index of the player it is sent for; None: the bet's own, -1: an unknown one.
        attempt: Rollbacks of the same attempt share a transactionId.
        closed: roundClosed of a win or rollback.
        conflict: What differs from the bet or win that has this transactionId.
        of_win: Whether a rollback names the win's transactionId instead of the bet's.
        forgery: A signature that must be refused.
        spelling: How the body is spelled.
        header_case: Letter case of the signature header: ``as-is``, ``lower`` or ``upper``.
        damage: Something wrong with the body.
        wait_ms: Milliseconds to wait before sending.
        focus: Whether the scenario's own rule is at stake from here on.
        together: Whether it is sent at the same time as the step before it.
        fault: What goes wrong on its way.
    """

    send: Kind
    bet: int | None = None
    player: int | None = None
    attempt: int = 0
    closed: bool = True
    conflict: Conflict | None = None
    of_win: bool = False
    forgery: Forgery | None = None
    spelling: Spelling = Spelling.COMPACT
    header_case: str = "as-is"
    damage: Damage | None = None
    wait_ms: int = 0
    focus: bool = False
    together: bool = False
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Bets and the steps about them.

    Attributes:
        bets: What steps refer to by index.
        steps: In the order of sending.
        rule: The rule a directed scenario is about; None for a generated one.
        via: Ledger rules one of which the focused step must meet for `rule` to count as tested.
    """

    bets: tuple[BetPlan, ...]
    steps: tuple[Step, ...]
    rule: str | None = None
    via: tuple[str, ...] = ()

    @property
    def players(self) -> int:
        """How many known players take part."""
        owners = {bet.player for bet in self.used_bets().values()}
        senders = {step.player for step in self.steps if step.player is not None}
        return max((index for index in owners | senders if index != UNKNOWN_PLAYER), default=0) + 1

    @property
    def forges(self) -> bool:
        """Whether it makes sense only where signatures are checked."""
        return any(step.forgery or step.header_case != "as-is" for step in self.steps)

    @property
    def is_plain(self) -> bool:
        """Whether every callback is sent alone and arrives, with its reply."""
        return not any(step.together or step.fault for step in self.steps)

    def plain(self) -> Scenario:
        """The same callbacks one after the other, on a network without faults; one delivered twice is sent twice."""
        twice = (2 if step.fault is Fault.TWICE else 1 for step in self.steps)
        copies = (step for step, count in zip(self.steps, twice, strict=True) for step in [step] * count)
        return replace(self, steps=tuple(replace(s, together=False, fault=None) for s in copies))

    def small(self, most: int) -> Scenario:
        """The same callbacks with no stake and no win of more minor units than this, nor one of all the money."""
        bets = tuple(
            replace(b, stake=most if b.of_balance else min(b.stake, most), win=min(b.win, most), of_balance=False)
            for b in self.bets
        )
        return replace(self, bets=bets)

    def groups(self) -> list[range]:
        """Positions of steps that are sent at the same time, group by group."""
        starts = [i for i, step in enumerate(self.steps) if not (i and step.together)]
        return [range(a, b) for a, b in pairwise([*starts, len(self.steps)])]

    def used_bets(self) -> dict[int, BetPlan]:
        """The bets that a step refers to, by index."""
        return {step.bet: self.bets[step.bet] for step in self.steps if step.bet is not None}

    def closes(self, position: int) -> bool:
        """Whether the step at a position may say roundClosed: no other new bet of its round follows.

        Wins and rollbacks may still come, because callbacks overtake each other.
        """
        step = self.steps[position]
        if step.bet is None or not step.closed:
            return False
        own = self.bets[step.bet]
        placed = {s.bet for s in self.steps[:position] if s.send is Kind.BET} | {step.bet}
        later = {s.bet for s in self.steps[position:] if s.send is Kind.BET} - placed
        return all(self.bets[b].round != own.round for b in later if b is not None)

    def without(self, *positions: int) -> Scenario:
        """This scenario with some steps left out; what stays of a group stays together."""
        steps: list[Step] = []
        for group in self.groups():
            kept = [self.steps[i] for i in group if i not in positions]
            steps += together(*kept) if len(group) > 1 and kept else kept
        return replace(self, steps=tuple(steps))

    def narrowed(self, most: int) -> Scenario:
        """This scenario with at most so many callbacks at the same time."""
        return self.without(*(i for group in self.groups() for i in group[most:]))


# -- writing scenarios down --------------------------------------------------------------------------


def scenario(bets: Sequence[BetPlan] | BetPlan, *steps: Step, rule: str | None = None, via: str = "") -> Scenario:
    """A scenario from bets and steps.

    Args:
        bets: One plan or several.
        steps: Steps; without any focus the last one that is no balance gets it.
        rule: The rule a directed scenario is about.
        via: Ledger rules, separated by blanks; see `Scenario.via`.
    """
    plans = (bets,) if isinstance(bets, BetPlan) else tuple(bets)
    listed = list(steps)
    if rule and not any(step.focus for step in listed):
        last = max((i for i, s in enumerate(listed) if s.send is not Kind.BALANCE), default=len(listed) - 1)
        listed[last] = replace(listed[last], focus=True)
    return Scenario(plans, tuple(listed), rule, tuple(via.split()))


def balance(player: int = 0, **more: Any) -> Step:
    """Ask for a player's balance."""
    return Step(Kind.BALANCE, player=player, **more)


def bet(index: int = 0, **more: Any) -> Step:
    """Send a bet, or replay it."""
    return Step(Kind.BET, index, **more)


def win(index: int = 0, **more: Any) -> Step:
    """Send a bet's win, or replay it."""
    return Step(Kind.WIN, index, **more)


def rollback(index: int = 0, attempt: int = 0, **more: Any) -> Step:
    """Send a bet's rollback, a further one under a new attempt."""
    return Step(Kind.ROLLBACK, index, attempt=attempt, **more)


def together(*steps: Step) -> tuple[Step, ...]:
    """Steps that are sent at the same time."""
    return (replace(steps[0], together=False), *(replace(step, together=True) for step in steps[1:]))


def each_of_many(about: Callable[[int], Sequence[Step]], focus: int) -> Scenario:
    """The same about many bets in turn: what goes wrong with one in twenty must not take luck to meet.

    Args:
        about: What is sent about a bet.
        focus: Which of the steps about the last bet has the focus.
    """
    steps = [list(about(index)) for index in range(_MANY)]
    steps[-1][focus] = replace(steps[-1][focus], focus=True)
    return scenario(
        [BetPlan(30, 20, round=index) for index in range(_MANY)], *(step for some in steps for step in some)
    )


# -- JSON ----------------------------------------------------------------------------------------------


def to_json(value: Scenario) -> dict[str, Any]:
    """A scenario as JSON, without what has its default."""
    return {
        "rule": value.rule,
        "via": list(value.via),
        "bets": [_plain(plan) for plan in value.bets],
        "steps": [_plain(step) for step in value.steps],
    }


def _plain(value: Any) -> dict[str, Any]:
    found = {}
    for f in fields(value):
        content = getattr(value, f.name)
        if f.default is MISSING or content != f.default:
            found[f.name] = _plain(content) if isinstance(content, Damage) else content
    return found


def from_json(data: Mapping[str, Any]) -> Scenario:
    """Read a scenario back.

    Raises:
        ScenarioError: It does not fit ``scenario.schema.json`` or refers to a bet it does not plan.
    """
    if error := first_error("scenario", data):
        raise ScenarioError(f"this is no recorded scenario: {error}")
    bets = tuple(BetPlan(**plan) for plan in data["bets"])
    steps = tuple(_step(step) for step in data["steps"])
    if any(step.bet is not None and step.bet >= len(bets) for step in steps):
        raise ScenarioError("this is no recorded scenario: a step refers to a bet that is not planned")
    if any(step.bet is None and step.send is not Kind.BALANCE for step in steps):
        raise ScenarioError("this is no recorded scenario: a step names no bet")
    rules = {data.get("rule"), *data.get("via", ())} - {None}
    if unknown := sorted(rules - RULES.keys()):
        raise ScenarioError(f"this is no recorded scenario: {ascii(unknown[0])[:40]} is no rule")
    return Scenario(bets, steps, data.get("rule"), tuple(data.get("via", ())))


def _step(data: Mapping[str, Any]) -> Step:
    read: dict[str, Any] = dict(data)
    read["send"] = Kind(read["send"])
    if read.get("fault"):
        read["fault"] = Fault(read["fault"])
    if read.get("forgery"):
        read["forgery"] = Forgery(read["forgery"])
    if read.get("spelling"):
        read["spelling"] = Spelling(read["spelling"])
    if read.get("damage") is not None:
        read["damage"] = Damage(**read["damage"])
        if max(read["damage"].raw or " ") > "\xff":
            raise ScenarioError("this is no recorded scenario: a character of a raw body is no byte")
    return Step(**read)
