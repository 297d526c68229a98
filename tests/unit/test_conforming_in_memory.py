"""Generated scenarios, races and lost replies against whatever conforms, in memory: nobody is accused.

A run against a real wallet plays some dozens of them; here it is thousands, also of what
sockets show once in a week.
"""

from __future__ import annotations

import copy
import os
import time
from collections import defaultdict
from dataclasses import replace
from random import Random

import pytest
from honest_wallets import CHOICES, OK, Answered, Habits, Wallet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_wire import HonestOperator, ReferenceOperator, Weather, Wire, provider_over, read

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.funds import Funds
from pytest_provider_contract.generate import draw_until
from pytest_provider_contract.profile import Kind, Status
from pytest_provider_contract.reference.gateway import Gateway
from pytest_provider_contract.reference.messages import Reader
from pytest_provider_contract.reference.variants import Parts, variants
from pytest_provider_contract.reference.wallet import Wallet as ReferenceWallet
from pytest_provider_contract.scenario import BetPlan, Scenario, bet, rollback, scenario
from pytest_provider_contract.strategies import losses, scenarios, storms
from pytest_provider_contract.suite.tour import TOUR
from pytest_provider_contract.transport import Reply, Request
from pytest_provider_contract.wording import describe

# A tracer costs these half their time, and every line that they reach others reach too.
pytestmark = pytest.mark.no_cover

MONEY = 1000
FUNDS = Funds(MONEY, 200, players=2, reward=True)
DRAWN = {"scenarios": scenarios(FUNDS), "storms": storms(FUNDS), "losses": losses(FUNDS)}
QUIET = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
MORE = int(os.environ.get("MORE_EXAMPLES", "1"))
LONG_S = 60.0
# What a slow operator is asked in place of storms, by players who can pay for all of it.
OVERLAPPING = [stage.plan for stage in TOUR if any(step.together or step.fault for step in stage.plan.steps)]
RICH = 10**10
# Scenarios in which a fault that only races show should have shown.
ENOUGH = 600

# Those whose difference is time, or nothing of the wallet's.
_NOT_OF_THE_WALLET = {"one-callback-at-a-time", "gzip-when-asked", "signed-replies", "first-callback-takes-3-seconds"}
CONFORMING = {
    name: each.parts()
    for name, each in variants().items()
    if each.kind == "conforming"
    and issubclass(each.part, (ReferenceWallet, Gateway, Reader))
    and name not in _NOT_OF_THE_WALLET
    and not name.startswith("replies-after-")
}
# These keep the balance that they have told, so nobody else may change it on the way.
_TELLING = {"stored-replies"}
AS_TOLD = Weather(rereads=0, repeats=0)
CALM = Weather(arrives=1, closes=0, rereads=0, repeats=0)


def drawn_habits(chance: Random) -> Habits:
    return Habits(**{name: chance.choice(values) for name, values in CHOICES.items()})  # type: ignore[arg-type]


def of_reference(chance: Random, count: int, money: int = MONEY) -> list[tuple[str, Wire]]:
    """The bundled operator and some of its conforming variants."""
    parts = {"": Parts(), **CONFORMING}
    return [
        (name, Wire(ReferenceOperator(parts[name], money), chance, AS_TOLD if name in _TELLING else None))
        for name in chance.sample(sorted(parts), count)
    ]


def at_random(chance: Random, money: int = MONEY) -> list[tuple[str, Wire]]:
    """Wallets that conform by habit, and one that makes each choice of the contract's anew each time."""

    def another_mood(wallet: Wallet) -> None:
        wallet.habits = replace(drawn_habits(chance), replay_tells=wallet.habits.replay_tells)

    wires = []
    for fickle in (False, True):
        habits = drawn_habits(chance)
        operator = HonestOperator(a_wallet(habits, money=money), another_mood if fickle else lambda _: None)
        weather = AS_TOLD if habits.replay_tells == "original" else None
        wires.append((f"fickle={fickle} {habits}", Wire(operator, chance, weather)))
    return wires


def a_wallet(habits: Habits, kind: type[Wallet] = Wallet, money: int = MONEY) -> Wallet:
    return kind(habits, {"alice": money, "bob": money})


def accuse_nobody(plan: Scenario, wires: list[tuple[str, Wire]], may_give_up: float = 0) -> None:
    undecided = 0
    for name, wire in wires:
        provider = provider_over(wire)
        for _ in range(2):  # what is late may arrive in the next scenario
            performance = provider.play(plan)
            told = [name, *describe(plan), *(repr(e.reply.body or e.reply.failure) for e in performance.exchanges)]
            assert performance.violation is None, "\n".join([str(performance.violation), *told])
            undecided += performance.undecided
            assert undecided <= may_give_up * 2 * len(wires), "\n".join(told)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network in memory has a clock of its own."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.mark.parametrize("drawn", DRAWN)
def test_no_conforming_operator_is_accused(drawn: str) -> None:
    @settings(QUIET, max_examples=25 * MORE)
    @given(DRAWN[drawn], st.integers(0, 1 << 32))
    def check(plan: Scenario, seed: int) -> None:
        chance = Random(seed)
        accuse_nobody(plan, of_reference(chance, 3) + at_random(chance))

    check()


@pytest.mark.long
@pytest.mark.parametrize("drawn", DRAWN)
def test_no_conforming_operator_is_accused_in_thousands_of_scenarios(drawn: str) -> None:
    chance = Random()

    def check(plan: Scenario) -> None:
        accuse_nobody(plan, of_reference(chance, 3) + at_random(chance))

    assert draw_until(DRAWN[drawn], check, limit_s=LONG_S * MORE, number=chance.randrange(1 << 32)) > 100


@pytest.mark.parametrize("number", range(len(OVERLAPPING)))
def test_no_conforming_operator_is_accused_by_the_tour(number: int) -> None:
    chance = Random()
    wires = [wire for _ in range(5 * MORE) for wire in (*of_reference(chance, 3, RICH), *at_random(chance, RICH))]
    # A wallet in another mood at each callback may leave more open than the judge has time for.
    accuse_nobody(OVERLAPPING[number], wires, may_give_up=0.05)


def test_a_declined_bet_that_somebody_else_has_voided_since() -> None:
    """To a wallet that forgets what it declined, the rollback named a bet that is still to come."""
    first = Habits(zero_bet="decline", remembers_declined=False, late_bet=Status.BONUS)
    plan = scenario(BetPlan(0, player=1), bet(), rollback(0, 1, player=0), bet(), bet(conflict="amount"))

    def another_word_for_the_last(wallet: Wallet) -> None:
        wallet.habits = replace(first, late_bet=OK) if wallet.late else first

    operator = HonestOperator(a_wallet(first), another_word_for_the_last)
    assert provider_over(Wire(operator, Random(1), CALM)).play(plan).violation is None
    assert operator.money() == {"alice": MONEY, "bob": MONEY}


# -- and it stays sharp ------------------------------------------------------------------------------


class Racing(HonestOperator):
    """Decides by a look at the wallet that it took when the request came in.

    Args:
        wallet: Decides.
        stale: What was looked at then: ``funds`` for the check only, ``money`` to write the sum
            back, or the wallet's memory of ``bets``, ``wins`` or ``tombstones``.
    """

    def __init__(self, wallet: Wallet, stale: str) -> None:
        super().__init__(wallet)
        self._stale = stale
        self._looked: defaultdict[str, list[Wallet]] = defaultdict(list)

    def begin(self, request: Request) -> None:
        """Look."""
        self._looked[read(request).request_id].append(copy.deepcopy(self.wallet))

    def serve(self, request: Request) -> Reply:
        """Act."""
        seen, now = self._looked[read(request).request_id].pop(0), self.wallet
        if self._stale == "funds":
            found = dict(now.money)
            now.money = dict(seen.money)
            reply = super().serve(request)
            now.money = {player: found[player] + now.money[player] - seen.money[player] for player in found}
            return reply
        if self._stale == "money":
            player = read(request).player_id
            if read(request).kind is not Kind.BALANCE and player in now.money:
                now.money[player] = seen.money[player]
            return super().serve(request)
        memory = getattr(now, self._stale)
        setattr(now, self._stale, getattr(seen, self._stale))
        reply = super().serve(request)
        callback = read(request)
        touched = {callback.transaction_id, callback.reference_id} & getattr(now, self._stale).keys()
        setattr(now, self._stale, memory | {key: getattr(now, self._stale)[key] for key in touched})
        return reply


class ForgetsTombstones(Wallet):
    def buried(self, reference: str, player: str) -> bool:
        return False


class RefundsOnEveryRetry(Wallet):
    def rollback(self, c: Callback) -> Answered:
        bet = self.bets.get(c.reference_id or "")
        return self.refund(c, bet) if bet is not None and bet.fate == "refunded" else super().rollback(c)


class CreditsTwice(Wallet):
    def win(self, c: Callback) -> Answered:
        if c.transaction_id in self.wins:
            self.money[c.player_id] += c.amount or 0
        return super().win(c)


class DebitsTwice(Wallet):
    def replayed(self, callback: Callback, status: object, original: int | None) -> Answered:
        if callback.kind is Kind.BET:
            self.debit(callback, callback.amount or 0)
        return super().replayed(callback, OK, original)


FAULTY: dict[str, tuple[str, str | type[Wallet]]] = {
    **{f"stale {stale}": ("storms", stale) for stale in ("funds", "money", "bets", "wins", "tombstones")},
    **{
        f"{kind.__name__} in {drawn}": (drawn, kind)
        for drawn in ("storms", "losses")
        for kind in (ForgetsTombstones, RefundsOnEveryRetry, CreditsTwice, DebitsTwice)
    },
}


class AccusedError(Exception):
    """A wallet was accused, as it should be."""


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_wallets_are_accused(name: str) -> None:
    drawn, fault = FAULTY[name]
    chance = Random(7)

    def check(plan: Scenario) -> None:
        kind = Wallet if isinstance(fault, str) else fault
        wallet = a_wallet(Habits(), kind)
        operator = Racing(wallet, fault) if isinstance(fault, str) else HonestOperator(wallet)
        if provider_over(Wire(operator, chance)).play(plan).violation is not None:
            raise AccusedError

    with pytest.raises(AccusedError):
        draw_until(DRAWN[drawn], check, limit_s=0, number=7, least=ENOUGH)


@pytest.mark.parametrize("stale", ["funds", "money", "bets", "wins", "tombstones"])
def test_the_tour_accuses_faulty_wallets_too(stale: str) -> None:
    chance, accused = Random(7), 0
    for _ in range(20):
        wire = Wire(Racing(a_wallet(Habits(), money=RICH), stale), chance)
        accused += any(provider_over(wire).play(plan).violation is not None for plan in OVERLAPPING)
    assert accused >= 10
