"""How a scenario's steps read as text, the same in a terminal and in every report."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_provider_contract.callbacks import Spelling
from pytest_provider_contract.checks import grouped
from pytest_provider_contract.history import UNKNOWN_PLAYER
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import BetPlan, Damage, Scenario, Step
from pytest_provider_contract.transport import Fault

# Stands before a step that is sent at the same time as the one before it.
SAME_TIME = "‖"
_FAULTS = {
    Fault.REPLY_LOST: "its reply lost",
    Fault.CUT: "cut half way",
    Fault.RESET: "the connection reset after it",
    Fault.TWICE: "delivered twice",
    Fault.SLOW_WRITE: "sent slowly",
    Fault.SLOW_READ: "its reply read slowly",
}


def describe(value: Scenario) -> list[str]:
    """Every step in a few words; a bet is referred to by the number of the step that sends it first."""
    teller = _Teller(value)
    told = []
    for number, step in enumerate(value.steps, 1):
        beside = f"{SAME_TIME} " if step.together and number > 1 else ""
        told.append(f"{beside}{number} {teller.tell(number, step)}")
    return told


@dataclass(slots=True)
class _Teller:
    """Tells steps in order and remembers which transactions were already sent."""

    scenario: Scenario
    sent: set[tuple[object, ...]] = field(default_factory=set)

    def tell(self, number: int, step: Step) -> str:
        words = [self._subject(number, step), *self._repetition(step), *_oddities(step)]
        if step.forgery is None and step.damage is None:
            self.sent.add(_transaction(step))
        return " ".join(words)

    def _subject(self, number: int, step: Step) -> str:
        if step.bet is None:
            return "balance" + self._owner(step, 0)
        plan = self.scenario.bets[step.bet]
        first = self._first_sent(step.bet)
        owner = self._owner(step, plan.player)
        if step.send is Kind.BET:
            return (f"bet {_stake(plan)}{self._round(plan)}" if first == number else f"bet({first})") + owner
        target = "a bet never sent" if first is None else str(first)
        text = f"win({target}) {grouped(plan.win)}" if step.send is Kind.WIN else f"rollback({target})"
        early = " before its bet" if first is not None and first > number else ""
        return text + (" naming the win" if step.of_win else "") + owner + early

    def _first_sent(self, bet: int) -> int | None:
        sends = (n for n, s in enumerate(self.scenario.steps, 1) if s.send is Kind.BET and s.bet == bet)
        return next(sends, None)

    def _owner(self, step: Step, owner: int) -> str:
        player = owner if step.player is None else step.player
        if player == UNKNOWN_PLAYER:
            return " of an unknown player"
        return f" of player {player + 1}" if self.scenario.players > 1 else ""

    def _round(self, plan: BetPlan) -> str:
        used = self.scenario.used_bets().values()
        several = len({other.round for other in used}) > 1 and len(used) > 1
        return f" in round {plan.round + 1}" if several else ""

    def _repetition(self, step: Step) -> list[str]:
        if step.bet is None:
            return []
        if step.conflict is not None:
            return [_conflict(step, self.scenario.bets[step.bet])]
        if _transaction(step) in self.sent:
            return ["again"]
        repeated = step.send is Kind.ROLLBACK and any(known[:2] == (Kind.ROLLBACK, step.bet) for known in self.sent)
        return ["with a new transactionId"] if repeated else []


def _conflict(step: Step, plan: BetPlan) -> str:
    match step.conflict:
        case "lower amount":
            return "with a lower amount"
        case "free":
            return "as a bet for money" if plan.reward else "as a free bet"
        case "next bet":
            return f"naming bet({(step.bet or 0) + 2})"
        case other:
            return f"with another {other}"


def _transaction(step: Step) -> tuple[object, ...]:
    return (step.send, step.bet, step.attempt, step.of_win, step.player)


def _stake(plan: BetPlan) -> str:
    free = f", free with a reward that is {plan.reward}" if plan.reward else ""
    if not plan.of_balance:
        return grouped(plan.stake) + free
    return "of the whole balance" + (f" {plan.stake:+d}" if plan.stake else "")


def _oddities(step: Step) -> list[str]:
    notes = []
    if step.wait_ms:
        notes.append(f"after {step.wait_ms} ms")
    if step.forgery:
        notes.append(f"with a bad signature ({step.forgery})")
    if step.spelling is not Spelling.COMPACT:
        notes.append(f"spelled {step.spelling}")
    if step.header_case != "as-is":
        notes.append(f"with the header in {step.header_case} case")
    if not step.closed:
        notes.append("with roundClosed false")
    if step.fault:
        notes.append(f"({_FAULTS[step.fault]})")
    if step.damage:
        notes.append(_damage(step.damage))
    return notes


def _damage(damage: Damage) -> str:
    if damage.field is not None:
        return (
            f"without {damage.field}" if damage.json is None else f"with {damage.field} {ascii(damage.json)[1:-1][:40]}"
        )
    return "with half a body" if damage.cut else f"with the body {ascii(damage.raw)[:40]}"
